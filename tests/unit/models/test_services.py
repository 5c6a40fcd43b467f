"""The real client libraries of OpenAI and Gemini against servers that speak, and break, those services' HTTP APIs."""

import asyncio
import time
from collections import deque
from contextlib import asynccontextmanager

import pytest
from llmock.scenarios import Reply, ToolCall, ToolFault

from shared.agent.model_call import NOTHING_SAID
from shared.agent.turn import Role, Said
from shared.messages import ModelUnavailable, Permanent
from shared.models.gemini import GeminiProvider, GeminiSettings
from shared.models.openai import OpenAIProvider, OpenAISettings
from tests.fakes.clock import ManualClock
from tests.fakes.model_server import GEMINI_ANSWER, OPENAI_ANSWER, SILENCE, Raw, answered, serving
from tests.unit.agent.kit import FakeTool, MemoryFiles, place, question
from tests.unit.models.kit import agent, ask, spare

pytestmark = [
    # One event loop, as in a process: the libraries share their connections between models, and those belong to a loop.
    pytest.mark.asyncio(loop_scope="module"),
    # Of google-genai with aiohttp.
    pytest.mark.filterwarnings("ignore:coroutine 'ClientResponse.json' was never awaited"),
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
]

SERVICES = ("openai", "google_genai")
KEY = "sk-secret-key-of-the-test"
ROOTS = {"openai": "openai", "google_genai": "gemini"}


def provider(name, base_url, *, seconds=20.0):
    if name == "openai":
        settings = OpenAISettings.from_environ({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": base_url})
        return OpenAIProvider(settings=settings, seconds=seconds)
    return GeminiProvider(
        settings=GeminiSettings.from_environ({"GOOGLE_API_KEY": KEY}), seconds=seconds, base_url=base_url
    )


@pytest.fixture(params=SERVICES)
def service(request):
    return request.param


@pytest.fixture
def mocked(llmock, service):
    """The service, by a mock server that is not ours."""
    llmock.tool_mode("off")
    return provider(service, llmock.base_url(ROOTS[service]))


# --- as they are meant to be used ---


async def test_talks(llmock, mocked, service):
    llmock.reply("Hello, Ada.")

    answer = await ask(agent({service: mocked}))

    assert (answer.text, answer.model) == ("Hello, Ada.", f"{service}:test-model")
    assert answer.input_tokens > 0
    assert answer.output_tokens > 0


async def test_calls_tools_and_goes_on_with_their_results(llmock, mocked, service):
    llmock.add(Reply(text="Let me see.", tool_calls=(ToolCall("say", {"text": "a"}), ToolCall("say", {"text": "b"}))))
    llmock.reply("Done.")
    tool = FakeTool()

    answer = await ask(agent({service: mocked}, tools=[tool]))

    assert (answer.text, answer.tool_calls) == ("Done.", 2)
    assert {arguments.text: place(context) for arguments, context in tool.called} == {"a": "event#0", "b": "event#1"}
    assert "said a" in str(llmock.last_request.body)
    assert "said b" in str(llmock.last_request.body)


async def test_sends_pictures(llmock, mocked, service):
    files = MemoryFiles(i=("cat.png", "image/png", b"the picture"))

    await ask(agent({service: mocked}), question("look", files=files, attachments=files.attachments()))

    assert "dGhlIHBpY3R1cmU=" in str(llmock.last_request.body)


@pytest.mark.parametrize(
    ("service", "fault"),
    # Gemini sends arguments as an object, which cannot be malformed JSON.
    [("openai", "malformed_arguments"), ("openai", "unknown_tool"), ("google_genai", "unknown_tool")],
)
async def test_mends_malformed_tool_calls(llmock, service, fault):
    llmock.add(Reply(tool_calls=(ToolCall("say", {"text": "a"}),)), ToolFault(fault))
    llmock.add(Reply(tool_calls=(ToolCall("say", {"text": "b"}),)))
    llmock.reply("Done.")
    tool = FakeTool()

    answer = await ask(agent({service: provider(service, llmock.base_url(ROOTS[service]))}, tools=[tool]))

    assert answer.text == "Done."
    assert [arguments.text for arguments, _ in tool.called] == ["b"]


async def test_a_key_is_not_needed_with_a_base_url(llmock):
    llmock.tool_mode("off").reply("ok")
    settings = OpenAISettings.from_environ({"OPENAI_BASE_URL": llmock.base_url("openai")})
    keyless = OpenAIProvider(settings=settings, seconds=20)

    assert keyless.configured()
    assert (await ask(agent({"openai": keyless}))).text == "ok"


# --- when they are in trouble ---


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 529])
async def test_any_refusal_leads_to_the_next_model(llmock, mocked, service, status):
    llmock.fail(status, times=None)

    assert (await ask(agent({service: mocked, "spare": spare()}))).text == "from the spare"


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_handed_on_and_never_slept_through(llmock, mocked, service, status):
    llmock.fail(status, retry_after=17, times=None)
    assistant = agent({service: mocked})
    await assistant.warm()

    started = time.monotonic()
    with pytest.raises(ModelUnavailable) as caught:
        await ask(assistant)

    assert time.monotonic() - started < 10
    assert caught.value.retry_after == 17
    assert len(llmock.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_refusal_for_good_says_why_without_the_key_and_the_text(llmock, mocked, service, status):
    llmock.fail(status, times=None, message=f"you sent {KEY} and a secret text")

    with pytest.raises(Permanent, match=rf"{service}:test-model: the .*\({status}") as caught:
        await ask(agent({service: mocked}))
    assert "secret" not in str(caught.value)


async def test_gemini_says_400_for_a_wrong_key():
    refusal = b"""{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "API key not valid.",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]}}"""
    async with serving() as server:
        server.will(Raw(refusal, status="400 Bad Request"))

        with pytest.raises(Permanent, match=r"the service refused the key: check it \(401"):
            await ask(agent({"google_genai": provider("google_genai", server.url)}))


async def test_a_conversation_that_is_too_long_for_one_model_goes_to_the_next(llmock):
    llmock.context_overflow(times=None)
    short = provider("openai", llmock.base_url("openai"))

    assert (await ask(agent({"openai": short, "spare": spare()}))).text == "from the spare"
    with pytest.raises(Permanent, match="too long for this model"):
        await ask(agent({"openai": short}))


async def test_a_service_that_does_not_answer_in_time_is_given_up(llmock, service):
    llmock.delay(2, times=None)
    slow = provider(service, llmock.base_url(ROOTS[service]), seconds=0.3)
    assistant = agent({service: slow, "spare": spare()})
    await assistant.warm()
    slow.chat_model(name="")  # the library's import is no part of the time-out

    started = time.monotonic()
    assert (await ask(assistant)).text == "from the spare"
    assert time.monotonic() - started < 10


async def test_a_service_that_is_not_there_is_out_of_reach(service):
    async with serving() as server:
        gone = server.url
    with pytest.raises(ModelUnavailable, match=f"{service}:test-model"):
        await ask(agent({service: provider(service, gone)}))


@asynccontextmanager
async def breaking(service, *answers):
    async with serving() as server:
        server.will(*answers)
        yield server, agent({service: provider(service, server.url)})


GOOD = {"openai": OPENAI_ANSWER, "google_genai": GEMINI_ANSWER}
BROKEN = {
    "cut in the body": lambda good: Raw(answered(good).body[:40], missing=400),
    "cut before the head": lambda good: SILENCE,
    "no JSON": lambda good: Raw(b"<html>It works!</html>"),
    "half JSON": lambda good: Raw(answered(good).body[:40]),
    "nothing": lambda good: Raw(b""),
    "a list": lambda good: Raw(b"[]"),
    "an error as 200": lambda good: Raw(b'{"error": {"message": "overloaded"}}'),
    "no choices": lambda good: answered(good, choices=None, candidates=None),
    "choices of nonsense": lambda good: answered(good, choices=[{"x": 1}], candidates=[{"x": 1}]),
    "an HTML 502": lambda good: Raw(b"<html>Bad gateway</html>", status="502 Bad Gateway"),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_broken_answer_is_tried_again(service, broken):
    good = answered(GOOD[service])
    async with breaking(service, BROKEN[broken](GOOD[service]), good) as (server, assistant):
        assert (await ask(assistant)).text == "fine"
        assert len(server.requests) == 2


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_service_that_keeps_breaking_its_answers_is_unavailable_or_empty(service, broken):
    async with breaking(service, BROKEN[broken](GOOD[service])) as (_, assistant):
        (outcome,) = await asyncio.gather(ask(assistant), return_exceptions=True)
    assert isinstance(outcome, ModelUnavailable) or outcome.text == NOTHING_SAID


async def test_the_same_completion_id_again_and_again_loses_no_message():
    wanted = {"id": "same", "type": "function", "function": {"name": "say", "arguments": '{"text": "x"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [wanted]}
    called = answered(OPENAI_ANSWER, choices=[{"index": 0, "finish_reason": "tool_calls", "message": message}])
    tool = FakeTool()
    async with serving() as server:
        server.will(called, called, answered(OPENAI_ANSWER))

        answer = await ask(agent({"openai": provider("openai", server.url)}, tools=[tool]))

    assert answer.text == "fine"
    assert [place(context) for _, context in tool.called] == ["event#0", "event#0"]
    assert len({context.key for _, context in tool.called}) == 2
    sent = server.requests[-1].body["messages"]
    ids = [call["id"] for message in sent for call in message.get("tool_calls", [])]
    assert len(set(ids)) == 2
    assert [message["tool_call_id"] for message in sent if message["role"] == "tool"] == ids


async def test_what_comes_before_the_last_message_stays_the_same_so_that_it_can_be_cached():
    clock = ManualClock()
    async with serving() as server:
        server.will(answered(OPENAI_ANSWER))
        assistant = agent({"openai": provider("openai", server.url)}, clock=clock)
        history = deque([Said(Role.PERSON, "a"), Said(Role.ASSISTANT, "b")])
        for text in ("c", "d"):
            clock.pass_(seconds=3600)
            await ask(assistant, question(text, history=list(history), clock=clock))
            history += [Said(Role.PERSON, text), Said(Role.ASSISTANT, "fine")]

    first, second = [request.body["messages"] for request in server.requests]
    assert second[: len(first) - 1] == first[:-1]


async def test_many_at_once_share_one_client(service):
    async with breaking(service, answered(GOOD[service])) as (server, assistant):
        answers = await asyncio.gather(*(ask(assistant) for _ in range(10)))

    assert {answer.text for answer in answers} == {"fine"}
    assert len(server.requests) == 10
