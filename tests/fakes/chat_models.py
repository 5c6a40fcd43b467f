"""Chat models that say what they are told to, and the parts around them."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from shared.agent.models import Models
from shared.messages import SettingError
from shared.ports import Clock, Parts
from shared.settings import Settings
from tests.fakes.clock import ManualClock

Script = AIMessage | Exception | Callable[[Sequence[BaseMessage]], Any]


def calls(*wanted: tuple[str, dict[str, Any]], ids: Sequence[str] = ()) -> AIMessage:
    """A message that calls tools, with random ids as a service's, or with these."""
    made = [
        ToolCall(name=name, args=args, id=ids[n] if ids else f"call_{uuid.uuid4().hex}", type="tool_call")
        for n, (name, args) in enumerate(wanted)
    ]
    return AIMessage("", tool_calls=made)


class ScriptedModel(BaseChatModel):
    """Says one thing of its script after the other, the last again and again. `seen` has what it was given."""

    script: deque[Any] = Field(default_factory=deque)
    seen: list[list[BaseMessage]] = Field(default_factory=list)
    offered: list[list[str]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:
        self.offered.append([tool.name for tool in tools])
        return self

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise AssertionError("nothing here may block the event loop")

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        self.seen.append(list(messages))
        said = self.script.popleft() if len(self.script) > 1 else self.script[0]
        if callable(said):
            said = await said(messages)
        if isinstance(said, Exception):
            raise said
        return ChatResult(generations=[ChatGeneration(message=said.model_copy())])


def scripted(*script: Script, **fields: Any) -> ScriptedModel:
    """A model with this script."""
    return ScriptedModel(script=deque(script), **fields)


class Provider:
    """A provider of prepared models. `asked` has the names that it was asked for."""

    def __init__(self, model: BaseChatModel | Exception, *, configured: bool = True) -> None:
        self._model = model
        self._configured = configured
        self.asked: list[str] = []

    def configured(self) -> bool:
        return self._configured

    def chat_model(self, *, name: str) -> BaseChatModel:
        self.asked.append(name)
        if isinstance(self._model, Exception):
            raise self._model
        return self._model


def parts(environ: Mapping[str, str] | None = None, *, clock: Clock | None = None) -> Parts:
    """What plug-ins are built from, as far as models need it."""

    def missing() -> Any:
        raise AssertionError("a model needs no HTTP client, file or secret of ours")

    return Parts(
        settings=Settings.from_environ(environ or {}),
        environ=environ or {},
        clock=clock or ManualClock(),
        http=missing,
        files=missing,
        secrets=missing,
    )


def chain(*models: BaseChatModel, clock: Clock | None = None, environ: Mapping[str, str] | None = None) -> Models:
    """A chain of prepared models, named `fake:0`, `fake:1`, …"""
    names = [f"fake{n}:x" for n in range(len(models))]
    providers = {f"fake{n}": Provider(model) for n, model in enumerate(models)}
    environ = {"PRAXOS_MODEL": ",".join(names), **(environ or {})}
    return Models(parts=parts(environ, clock=clock), build=finder(providers))


def finder(providers: Mapping[str, Provider]) -> Callable[[str, str], Callable[..., Any]]:
    """What finds these providers in place of the registry. The gateway is there, and off unless it is among them."""
    off = Provider(AssertionError("the gateway is off"), configured=False)
    providers = {"portkey": off, **providers}

    def build(group: str, name: str) -> Callable[..., Any]:
        assert group == "models"
        if name not in providers:
            raise SettingError(f"{name!r} is not one of the models that are installed")
        return lambda _: providers[name]

    return build
