"""An assistant with a given provider, as the tests of the services use it."""

from langchain_core.messages import AIMessage

from shared.agent.assistant import Assistant
from shared.agent.models import Models
from tests.fakes.chat_models import Provider, finder, parts, scripted
from tests.fakes.checkpoints import MemoryCheckpoints
from tests.fakes.clock import ManualClock
from tests.unit.agent.kit import answer, question


def agent(providers, *, tools=(), clock=None):
    clock = clock or ManualClock()
    environ = {"PRAXOS_MODEL": ",".join(f"{name}:test-model" for name in providers if name != "portkey")}
    models = Models(parts=parts(environ, clock=clock), build=finder(providers))
    return Assistant(models=models, tools=tools, checkpoints=MemoryCheckpoints())


def spare():
    """A model that comes after the one under test."""
    return Provider(scripted(AIMessage("from the spare")))


async def ask(assistant, asked=None):
    return await answer(assistant, asked or question("hello"))
