"""Intake: an event enters once; commands are answered on arrival; what cannot be read is put aside."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from shared.agent.turn import Control, Question
from shared.conversation.dead_letter_records import About
from shared.conversation.states import EntryState
from shared.messages import LONGEST_TEXT, EventKind, StoreUnavailable
from shared.pipeline import words
from shared.pipeline.webhook import Inbound
from shared.ports import WebhookRequest
from shared.topology import INBOUND, OUTBOUND, TURNS
from tests.fakes.channel import SECRET
from tests.fakes.world import World


def request(world: World, body: dict[str, object], secret: str = SECRET) -> WebhookRequest:
    return WebhookRequest(
        method="POST", url="/", headers={"x-secret": secret}, query={}, body=json.dumps(body).encode()
    )


async def test_a_command_is_answered_on_arrival_and_takes_no_turn(world: World) -> None:
    made = await world.arrive("/help")
    assert await world.settle() == [OUTBOUND]
    assert "".join(world.texts) == words.help_text().text
    entry = await world.entry(made)
    assert entry.state is EntryState.CONSUMED
    assert (await world.record()).waiting == 0
    await world.arrive("/help")
    await world.settle()
    assert "".join(world.texts) == words.help_text().text, "a second delivery answers nothing"


async def test_status_is_answered_while_a_turn_works(world: World) -> None:
    release = asyncio.Event()

    async def script(question: Question, _: Control) -> str:
        await release.wait()
        return question.text

    world.assistant.script = script
    await world.arrive("slow", n=1)
    [bell] = await world.app.broker.receive(queue=TURNS, limit=1)
    working = asyncio.create_task(world.handle(TURNS, bell.body))
    await world.assistant.entered.wait()
    world.clock.pass_(seconds=5)
    await world.arrive("more", n=2)
    await world.arrive("/status", n=3)
    [outbound] = await world.app.broker.receive(queue=OUTBOUND, limit=1)
    await world.handle(OUTBOUND, outbound.body)
    said = "".join(world.texts)
    assert "for 5 s" in said
    assert "1 more message waits" in said
    release.set()
    await working


async def test_new_cuts_the_history(world: World) -> None:
    await world.arrive("secret", n=1)
    await world.settle()
    await world.arrive("/new", n=2)
    await world.arrive("hello", n=3)
    await world.settle()
    assert world.texts[-1] == "You said: hello"
    assert list(world.assistant.asked[-1].history) == []
    await world.arrive("again", n=4)
    await world.settle()
    assert [said.text for said in world.assistant.asked[-1].history] == ["hello", "You said: hello"]


async def test_a_suggestion_button_says_its_text(world: World) -> None:
    await world.arrive("", kind=EventKind.PRESS, button="say:hello")
    await world.settle()
    assert world.texts == ["You said: hello"]


async def test_a_button_of_something_else_is_answered_plainly(world: World) -> None:
    await world.arrive("", kind=EventKind.PRESS, button="old")
    await world.settle()
    assert world.texts == [words.BUTTON_GONE]


async def test_an_unverified_webhook_queues_nothing(world: World) -> None:
    answer = await world.app.webhooks.handle(name="fake", request=request(world, {"text": "x"}, secret="wrong"))
    assert answer.status == 401
    assert await world.app.broker.accept_session(queue=INBOUND) is None


async def test_any_exception_while_verifying_is_a_401(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ValueError("not hexadecimal")

    monkeypatch.setattr(world.channel, "verify", broken)
    answer = await world.app.webhooks.handle(name="fake", request=request(world, {"text": "x"}))
    assert answer.status == 401


async def test_an_unknown_channel_is_a_404(world: World) -> None:
    assert (await world.app.webhooks.handle(name="nothing", request=request(world, {}))).status == 404


async def test_a_webhook_is_committed_before_it_is_answered(world: World) -> None:
    answer = await world.app.webhooks.handle(name="fake", request=request(world, {"text": "hello", "n": 7}))
    assert answer.status == 200
    session = await world.app.broker.accept_session(queue=INBOUND)
    assert session is not None
    [message] = await world.app.broker.receive_session(queue=INBOUND, session=session, limit=1)
    inbound = Inbound.model_validate_json(message.body)
    assert inbound.event is not None
    assert inbound.event.traceparent


async def test_a_queue_that_is_away_is_a_503(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from shared.messages import QueueUnavailable

    async def away(**_: object) -> None:
        raise QueueUnavailable("away")

    monkeypatch.setattr(world.app.queue, "send", away)
    answer = await world.app.webhooks.handle(name="fake", request=request(world, {"text": "hello"}))
    assert answer.status == 503


async def test_an_event_near_the_queues_limit_goes_to_files(world: World) -> None:
    text = "ä" * LONGEST_TEXT
    answer = await world.app.webhooks.handle(name="fake", request=request(world, {"text": text}))
    assert answer.status == 200
    session = await world.app.broker.accept_session(queue=INBOUND)
    assert session is not None
    [message] = await world.app.broker.receive_session(queue=INBOUND, session=session, limit=1)
    assert len(message.body) < 1000
    world.assistant.script = _length
    await world.app.intake.receive(message.body)
    await world.settle()
    assert world.texts == [str(len(text))]


async def _length(question: Question, _: Control) -> str:
    return str(len(question.text))


async def test_what_is_no_event_becomes_a_dead_letter(world: World) -> None:
    await world.app.intake.receive(b'{"event": {"id": 7}}')
    [letter] = await world.letters()
    assert letter.about is About.MESSAGE
    await world.app.intake.receive(b"\xff\xfe not json")
    assert len(await world.letters()) == 2


async def test_an_unreadable_event_is_told_and_does_not_block_its_chat(world: World) -> None:
    await world.arrive("", n=1, kind=EventKind.UNREADABLE, reason="text is a number")
    await world.settle()
    assert "".join(world.texts) == words.UNREADABLE
    [letter] = await world.letters()
    assert letter.reason == "text is a number"
    await world.arrive("hello", n=2)
    await world.settle()
    assert world.texts[-1] == "You said: hello"


async def test_an_unreadable_event_without_a_chat_is_kept_for_operators(world: World) -> None:
    await world.arrive("", n=1, chat="", kind=EventKind.UNREADABLE, reason="not JSON")
    assert await world.settle() == []
    [letter] = await world.letters()
    assert letter.event is not None


async def test_while_the_store_is_away_intake_waits_with_its_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = world.app.store
    real = store.batch
    failures = iter([StoreUnavailable("away")] * 3)
    waits: list[float] = []

    async def batch(**arguments: object) -> object:
        for failure in failures:
            raise failure
        return await real(**arguments)  # type: ignore[arg-type]  # passed on as they came

    async def pause(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(store, "batch", batch)
    monkeypatch.setattr("shared.pipeline.intake.asyncio", SimpleNamespace(sleep=pause))
    made = await world.arrive("hello")
    assert len(waits) == 3
    assert waits == sorted(waits)
    assert (await world.entry(made)).n == 1


async def test_intake_raises_only_when_its_patience_is_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(**_: object) -> None:
        raise StoreUnavailable("away")

    async def pause(seconds: float) -> None:
        world.clock.pass_(seconds=seconds)

    monkeypatch.setattr(world.app.store, "batch", away)
    monkeypatch.setattr("shared.pipeline.intake.asyncio", SimpleNamespace(sleep=pause))
    began = world.clock.monotonic()
    with pytest.raises(StoreUnavailable):
        await world.arrive("hello")
    assert 500 < world.clock.monotonic() - began < 600


async def test_an_event_from_the_dead_letter_queue_is_marked_late(world: World) -> None:
    made = world.say("hello")
    await world.app.intake.receive(Inbound(event=made).model_dump_json().encode(), late=True)
    assert (await world.entry(made)).event.late
    await world.settle()
    assert world.texts == ["You said: hello"]
