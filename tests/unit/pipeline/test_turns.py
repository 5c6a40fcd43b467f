"""Turns: one for each event, in order, under a lease, and with an end that is recorded once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.agent.turn import Control, Question
from shared.conversation.states import EntryState, RunState
from shared.messages import Attachment, BudgetSpent, LeaseLost, ModelUnavailable, Permanent, Refused
from shared.pipeline import words
from shared.steps import Step
from shared.topology import BACKGROUND, OUTBOUND, TURNS
from tests.fakes.world import World


async def test_an_event_becomes_one_turn_and_one_reply(world: World) -> None:
    made = await world.arrive("hello")
    assert await world.settle() == [TURNS, OUTBOUND]
    assert world.texts == ["You said: hello"]
    entry = await world.entry(made)
    assert entry.state is EntryState.CONSUMED
    assert entry.ttl
    record = await world.record()
    assert (record.entries, record.settled, record.waiting, record.messages) == (1, 1, 0, 2)
    assert record.lease.until is None
    assert record.wake_at is None
    run = await world.partition().run(made.id)
    assert run is not None
    assert run.record.state is RunState.FINISHED
    assert (await world.outbox()).wake_at is None


async def test_a_second_delivery_changes_nothing(world: World) -> None:
    for _ in range(3):
        await world.arrive("hello")
        await world.settle()
    assert world.texts == ["You said: hello"]
    assert len(world.assistant.asked) == 1


async def test_the_bell_that_was_lost_with_a_crash_is_rung_by_the_second_delivery(world: World) -> None:
    await world.arrive("hello")
    [message] = await world.app.broker.receive(queue=TURNS, limit=1)
    await world.app.broker.complete(step=Step.SETTLE_TURNS, message=message)
    await world.arrive("hello")
    assert await world.settle() == [TURNS, OUTBOUND]
    assert world.texts == ["You said: hello"]


async def test_events_are_answered_in_the_order_of_their_arrival(world: World) -> None:
    for n in range(5):
        await world.arrive(f"text {n}", n=n)
    await world.settle()
    assert world.texts == [f"You said: text {n}" for n in range(5)]


async def test_what_comes_in_while_a_turn_works_is_answered_by_its_holder(world: World) -> None:
    async def script(question: Question, _: Control) -> str:
        if question.text == "first":
            await world.arrive("second", n=2)
        return question.text.upper()

    world.assistant.script = script
    await world.arrive("first", n=1)
    [bell] = await world.app.broker.receive(queue=TURNS, limit=1)
    await world.handle(TURNS, bell.body)
    assert len(world.assistant.asked) == 2
    assert (await world.record()).waiting == 0
    await world.settle()
    assert world.texts == ["FIRST", "SECOND"]


async def test_a_bell_that_finds_the_lease_held_comes_back_once_when_it_ends(world: World) -> None:
    release = asyncio.Event()

    async def script(question: Question, _: Control) -> str:
        await release.wait()
        return question.text

    world.assistant.script = script
    await world.arrive("slow")
    [bell] = await world.app.broker.receive(queue=TURNS, limit=1)
    working = asyncio.create_task(world.handle(TURNS, bell.body))
    await world.assistant.entered.wait()
    other = world.instance()
    for _ in range(3):
        await other.turns.answer(world.bell())
    record = await world.record()
    assert record.bell_at is not None
    assert await world.app.broker.receive(queue=TURNS, limit=10) == ()
    world.clock.pass_(seconds=31)
    assert len(await world.app.broker.receive(queue=TURNS, limit=10)) == 1, "one bell, though three found it held"
    release.set()
    await working
    await other.close()


async def test_who_lost_the_lease_finishes_nothing(world: World) -> None:
    release = asyncio.Event()

    async def script(question: Question, _: Control) -> str:
        if len(world.assistant.asked) == 1:
            await release.wait()
            return "late"
        return "taken over"

    world.assistant.script = script
    made = await world.arrive("hello")
    [bell] = await world.app.broker.receive(queue=TURNS, limit=1)
    first = asyncio.create_task(world.handle(TURNS, bell.body))
    await world.assistant.entered.wait()
    before = (await world.record()).lease.epoch
    world.clock.pass_(seconds=31)
    other = world.instance()
    await other.turns.answer(world.bell())
    assert (await world.record()).lease.epoch == before + 1
    release.set()
    await first
    await world.settle()
    assert world.texts == ["taken over"]
    run = await world.partition().run(made.id)
    assert run is not None
    assert (await world.entry(made)).starts == 2
    await other.close()


async def test_a_step_looks_whether_the_turn_is_still_ours(world: World) -> None:
    seen: list[type[BaseException]] = []

    async def script(question: Question, control: Control) -> str:
        if len(world.assistant.asked) == 1:
            world.clock.pass_(seconds=31)
            other = world.instance()
            await other.turns.answer(world.bell())
            await other.close()
            try:
                await control.before_step()
            except LeaseLost as lost:
                seen.append(type(lost))
                raise
        return "once"

    world.assistant.script = script
    await world.arrive("hello")
    await world.settle()
    assert seen == [LeaseLost]
    assert world.texts == ["once"]


async def test_while_the_model_is_away_the_message_waits_and_the_person_is_told_once(world: World) -> None:
    world.assistant.troubles.extend([ModelUnavailable("away"), ModelUnavailable("away", retry_after=60)])
    made = await world.arrive("hello")
    await world.arrive("and then", n=2)
    await world.settle()
    assert "".join(world.texts) == words.MODEL_AWAY
    entry = await world.entry(made)
    assert (entry.state, entry.attempt, entry.starts) == (EntryState.WAITING, 1, 0)
    assert len(world.assistant.asked) == 1, "later entries stay behind it"
    await world.pass_(seconds=3)
    assert (await world.entry(made)).attempt == 2
    await world.pass_(seconds=30)
    assert len(world.assistant.asked) == 2, "the time that the model asked for is kept"
    world.channel.sent.clear()
    await world.pass_(seconds=31)
    assert world.texts == ["You said: hello", "You said: and then"]


async def test_trouble_for_a_day_becomes_a_dead_letter_and_the_person_is_told(world: World) -> None:
    world.assistant.troubles.extend([ModelUnavailable("away")] * 2)
    made = await world.arrive("hello")
    await world.arrive("next", n=2)
    await world.settle()
    world.channel.sent.clear()
    await world.pass_(seconds=timedelta(hours=25).total_seconds())
    assert (await world.entry(made)).state is EntryState.DEAD
    [letter] = await world.letters()
    assert "away" in letter.reason
    assert letter.told_at
    assert sorted("".join(world.texts)) == sorted("You said: next" + words.COULD_NOT)


@pytest.mark.parametrize(
    ("trouble", "told"),
    [(BudgetSpent("60 s"), words.budget_spent()), (Permanent("no such model"), words.COULD_NOT)],
)
async def test_permanent_trouble_is_an_apology_and_a_dead_letter(world: World, trouble: Permanent, told: str) -> None:
    world.assistant.troubles.append(trouble)
    made = await world.arrive("hello")
    await world.settle()
    assert "".join(world.texts) == told
    [letter] = await world.letters()
    assert letter.reason == str(trouble)
    assert (await world.entry(made)).state is EntryState.DEAD
    run = await world.partition().run(made.id)
    assert run is not None
    assert run.record.state is RunState.FAILED
    await world.arrive("next", n=2)
    await world.settle()
    assert world.texts[-1] == "You said: next"


async def test_a_bug_raises_and_leaves_no_lease_behind(world: World) -> None:
    world.assistant.troubles.append(RuntimeError("bug"))
    made = await world.arrive("hello")
    [bell] = await world.app.broker.receive(queue=TURNS, limit=1)
    with pytest.raises(RuntimeError, match="bug"):
        await world.handle(TURNS, bell.body)
    assert (await world.record()).lease.until is None
    await world.handle(TURNS, bell.body)
    assert (await world.entry(made)).state is EntryState.CONSUMED


async def test_the_tenth_start_without_a_step_is_the_last(world: World) -> None:
    world.assistant.troubles.extend([RuntimeError("bug")] * 20)
    made = await world.arrive("hello")
    [bell] = await world.app.broker.receive(queue=TURNS, limit=1)
    for _ in range(10):
        with pytest.raises(RuntimeError):
            await world.handle(TURNS, bell.body)
    await world.handle(TURNS, bell.body)
    assert (await world.entry(made)).state is EntryState.DEAD
    assert len(world.assistant.asked) == 10
    await world.app.broker.complete(step=Step.SETTLE_TURNS, message=bell)
    await world.settle()
    assert "".join(world.texts) == words.COULD_NOT


async def test_the_sweeper_mends_a_lost_bell(world: World) -> None:
    await world.arrive("hello")
    [bell] = await world.app.broker.receive(queue=TURNS, limit=1)
    await world.app.broker.complete(step=Step.SETTLE_TURNS, message=bell)
    assert await world.pass_(seconds=30) == []
    assert await world.pass_(seconds=31) == [TURNS, OUTBOUND]
    assert world.texts == ["You said: hello"]


async def test_the_history_is_what_was_said_before(world: World) -> None:
    await world.arrive("one", n=1)
    await world.settle()
    await world.arrive("two", n=2)
    await world.settle()
    assert [said.text for said in world.assistant.asked[1].history] == ["one", "You said: one"]


async def test_a_long_history_is_summarised_behind_the_turns(world: World) -> None:
    for n in range(30):
        await world.arrive(f"text {n}", n=n)
        rung = await world.settle()
        if BACKGROUND in rung:
            break
    record = await world.record()
    assert record.summarised == record.messages - 20
    assert record.summary
    await world.arrive("and now", n=99)
    await world.settle()
    question = world.assistant.asked[-1]
    assert len(question.history) == 20
    assert question.summary == record.summary


async def test_media_are_fetched_when_the_turn_comes(world: World) -> None:
    photo = Attachment(name="photo.jpg", media_type="image/jpeg", ref="platform-id")
    await world.arrive("look", attachments=(photo,))
    await world.settle()
    [question] = world.assistant.asked
    [fetched] = question.attachments
    assert await world.app.files.get(id=fetched.file) == b"content"
    assert fetched.size == len(b"content")


async def test_a_file_that_cannot_be_had_holds_nothing_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*, attachment: Attachment) -> AsyncIterator[bytes]:
        raise Refused("too old")
        yield b""

    monkeypatch.setattr(world.channel, "fetch", refused)
    await world.arrive("look", attachments=(Attachment(name="a.txt", media_type="text/plain", ref="x"),))
    await world.settle()
    assert world.texts == ["You said: look"]


async def test_a_very_long_answer_comes_as_a_file(world: World) -> None:
    async def script(question: Question, _: Control) -> str:
        return "word " * 20_000

    world.assistant.script = script
    await world.arrive("tell me everything")
    await world.settle()
    assert "".join(world.texts).endswith(words.REST_IN_FILE)
    assert len("".join(world.texts)) < 3000


async def test_while_its_channel_is_not_configured_a_conversation_waits(world: World) -> None:
    await world.arrive("hello")
    channel, world.app._channels["fake"] = world.app._channels["fake"], None
    assert await world.settle() == [TURNS]
    world.app._channels["fake"] = channel
    await world.pass_(seconds=5)
    assert world.texts == ["You said: hello"]
