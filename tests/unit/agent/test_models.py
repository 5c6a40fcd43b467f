"""The choice of models, the fallback between them, and the circuit breaker."""

import asyncio
import logging

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from shared.agent.breaker import COOL_DOWN, FAILURES
from shared.agent.models import Models
from shared.messages import ModelUnavailable, Permanent, SettingError
from tests.fakes.chat_models import Provider, chain, finder, parts, scripted
from tests.fakes.clock import ManualClock

HELLO = [HumanMessage("hello")]


class Status(Exception):
    """An error as a client library raises it for an HTTP status."""

    def __init__(self, status, code="", **headers):
        super().__init__("the service's own words, with the person's text in them")
        self.status_code = status
        self.code = code
        self.response = type("Response", (), {"headers": {k.replace("_", "-"): v for k, v in headers.items()}})()


# --- the choice ---


def choose(model="", environ=None, **configured):
    providers = {name: Provider(scripted(AIMessage(name)), configured=True) for name in ("demo",)}
    for name in ("openai", "google_genai", "portkey"):
        providers[name] = Provider(scripted(AIMessage(name)), configured=configured.get(name, False))
    return providers, Models(parts=parts({"PRAXOS_MODEL": model, **(environ or {})}), build=finder(providers))


@pytest.mark.parametrize(
    ("configured", "chosen"),
    [
        ({}, ["demo"]),
        ({"openai": True, "google_genai": True}, ["openai"]),
        ({"google_genai": True}, ["google_genai"]),
        ({"portkey": True}, ["portkey"]),
    ],
)
def test_unset_means_the_first_provider_with_a_key_else_the_demo(configured, chosen):
    assert choose(**configured)[1].names() == chosen


def test_several_names_are_tried_in_their_order_and_each_once():
    models = choose(" openai:a, demo ,openai:b,openai:a,", openai=True)[1]

    assert models.names() == ["openai:a", "demo", "openai:b"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("opnai:x", "PRAXOS_MODEL: 'opnai' is not one of the models"),
        ("openai:x", "PRAXOS_MODEL names openai:x, but openai is not configured"),
    ],
)
def test_a_wrong_choice_is_one_line_that_names_the_setting(model, words):
    with pytest.raises(SettingError, match=words):
        choose(model)[1].names()


async def test_a_configured_gateway_stands_in_front_of_both_providers():
    providers, models = choose("google_genai:gemini-x,openai:gpt-x", portkey=True)

    reply = await models.call(messages=HELLO)

    assert (reply.message.text, reply.model) == ("portkey", "google_genai:gemini-x")
    assert providers["portkey"].asked == ["google_genai:gemini-x"]
    assert providers["google_genai"].asked == []


async def test_a_provider_is_asked_for_its_model_only_when_its_turn_comes():
    providers, models = choose("openai:gpt-x,google_genai:gemini-x", openai=True, google_genai=True)

    await asyncio.gather(*(models.call(messages=HELLO) for _ in range(5)))

    assert (providers["openai"].asked, providers["google_genai"].asked) == (["gpt-x"], [])


# --- the fallback ---


@pytest.mark.parametrize("status", [401, 403, 404, 408, 409, 429, 500, 502, 503, 529, 400, 413, 422])
async def test_whatever_one_model_says_no_with_the_next_is_asked(status):
    models = chain(scripted(Status(status)), scripted(AIMessage("second")))

    assert (await models.call(messages=HELLO)).model == "fake1:x"


async def test_a_quick_failure_gets_one_more_try():
    model = scripted(Status(500), AIMessage("again"))

    assert (await chain(model).call(messages=HELLO)).message.text == "again"


@pytest.mark.parametrize(
    "error", [Status(429, retry_after="3"), Status(503, retry_after="3"), Status(401), Status(400)]
)
async def test_no_second_try_where_it_is_asked_to_wait_or_is_no_use(error):
    model = scripted(error)

    with pytest.raises((ModelUnavailable, Permanent)):
        await chain(model).call(messages=HELLO)
    assert len(model.seen) == 1


async def test_when_all_fail_for_now_the_shortest_wait_is_told():
    models = chain(scripted(Status(429, retry_after="40")), scripted(Status(503, retry_after="7")))

    with pytest.raises(ModelUnavailable) as caught:
        await models.call(messages=HELLO)
    assert caught.value.retry_after == 7


async def test_a_retry_after_may_be_a_date():
    models = chain(scripted(Status(429, retry_after="Sun, 01 Mar 2026 12:00:30 GMT")))

    with pytest.raises(ModelUnavailable) as caught:
        await models.call(messages=HELLO)
    assert caught.value.retry_after == 30


async def test_when_none_will_ever_answer_an_operator_reads_why_and_nothing_of_the_request(caplog):
    models = chain(scripted(Status(401, code="invalid_api_key")), scripted(Status(404)))

    with caplog.at_level(logging.WARNING, logger="praxos"), pytest.raises(Permanent) as caught:
        await models.call(messages=HELLO)

    told = str(caught.value)
    assert not isinstance(caught.value, ModelUnavailable)
    assert "fake0:x: the service refused the key: check it (401 invalid_api_key)" in told
    assert "fake1:x: the service does not know this model or address: check PRAXOS_MODEL" in told
    assert "person" not in told + str([record.__dict__ for record in caplog.records])


async def test_one_that_may_answer_later_makes_the_whole_wait():
    with pytest.raises(ModelUnavailable):
        await chain(scripted(Status(401)), scripted(Status(500))).call(messages=HELLO)


async def test_a_library_that_is_missing_is_named():
    providers = {"a": Provider(ImportError("No module named 'langchain_a'"))}
    models = Models(parts=parts({"PRAXOS_MODEL": "a:x"}), build=finder(providers))

    with pytest.raises(Permanent, match="No module named 'langchain_a'"):
        await models.call(messages=HELLO)


async def test_a_model_that_hangs_leaves_time_for_the_next():
    async def hangs(messages):
        await asyncio.Event().wait()

    models = chain(scripted(hangs), scripted(AIMessage("second")), environ={"PRAXOS_TURN_SECONDS": "0.2"})

    assert (await models.call(messages=HELLO)).model == "fake1:x"


# --- the breaker ---


async def failing_times(models, times):
    for _ in range(times):
        with pytest.raises(ModelUnavailable):
            await models.call(messages=HELLO)


async def test_a_model_that_keeps_failing_is_left_alone_then_probed_by_one_call():
    clock = ManualClock()
    model = scripted(Status(500))
    models = chain(model, clock=clock)

    await failing_times(models, FAILURES)
    asked = len(model.seen)
    with pytest.raises(ModelUnavailable, match="the service failed") as caught:
        await models.call(messages=HELLO)
    assert len(model.seen) == asked
    assert 0 < caught.value.retry_after <= COOL_DOWN

    clock.pass_(seconds=COOL_DOWN)
    probing = asyncio.Event()

    async def answers(messages):
        probing.set()
        await asyncio.sleep(0)
        return AIMessage("back")

    model.script.clear()
    model.script.append(answers)
    first = asyncio.create_task(models.call(messages=HELLO))
    await probing.wait()
    with pytest.raises(ModelUnavailable):
        await models.call(messages=HELLO)
    assert (await first).message.text == "back"
    assert (await models.call(messages=HELLO)).message.text == "back"


async def test_a_wrong_key_stays_a_wrong_key_while_the_model_is_left_alone():
    models = chain(scripted(Status(401)))

    for _ in range(FAILURES + 2):
        with pytest.raises(Permanent, match="refused the key"):
            await models.call(messages=HELLO)


async def test_a_probe_that_fails_opens_it_again():
    clock = ManualClock()
    model = scripted(Status(500))
    models = chain(model, clock=clock)
    await failing_times(models, FAILURES)

    clock.pass_(seconds=COOL_DOWN)
    await failing_times(models, 1)
    asked = len(model.seen)
    await failing_times(models, 1)

    assert len(model.seen) == asked


async def test_a_cancelled_probe_does_not_keep_others_away_for_good():
    clock = ManualClock()
    model = scripted(Status(500))
    models = chain(model, clock=clock)
    await failing_times(models, FAILURES)
    clock.pass_(seconds=COOL_DOWN)

    async def hangs(messages):
        await asyncio.Event().wait()

    model.script = type(model.script)([hangs])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(models.call(messages=HELLO), 0.05)
    model.script = type(model.script)([AIMessage("back")])

    assert (await models.call(messages=HELLO)).message.text == "back"


async def test_a_service_that_says_when_to_come_back_is_left_alone_until_then():
    clock = ManualClock()
    first = scripted(Status(429, retry_after="20"), AIMessage("first"))
    models = chain(first, scripted(AIMessage("second")), clock=clock)

    said = []
    for seconds in (0, 19, 2):
        clock.pass_(seconds=seconds)
        said.append((await models.call(messages=HELLO)).message.text)

    assert said == ["second", "second", "first"]


async def test_refusing_one_request_is_no_reason_to_leave_a_model_alone():
    model = scripted(Status(400))
    models = chain(model)

    for _ in range(FAILURES + 2):
        with pytest.raises(Permanent):
            await models.call(messages=HELLO)

    assert len(model.seen) == FAILURES + 2


# --- pictures ---

PICTURE = [
    HumanMessage(
        [{"type": "text", "text": "look"}, {"type": "image", "base64": "aGk=", "mime_type": "image/png"}], id="event"
    )
]


def images(messages):
    return [block for block in messages[0].content if block["type"] == "image"]


async def test_pictures_go_to_a_model_that_sees_and_words_to_one_that_does_not():
    seeing = scripted(Status(500), profile={"image_inputs": True})
    blind = scripted(AIMessage("ok"), profile={"image_inputs": False})

    await chain(seeing, blind).call(messages=PICTURE)

    assert len(images(seeing.seen[0])) == 1
    assert images(blind.seen[0]) == []
    assert "cannot see" in blind.seen[0][0].text
    assert blind.seen[0][0].id == "event"
    assert len(images(PICTURE)) == 1, "the messages of the turn stay as they were"


async def test_a_model_of_which_nothing_is_known_is_asked_without_pictures_when_it_refuses_them():
    model = scripted(Status(400), AIMessage("ok"))

    assert (await chain(model).call(messages=PICTURE)).message.text == "ok"
    assert [len(images(seen)) for seen in model.seen] == [1, 0]
