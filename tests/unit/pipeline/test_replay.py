"""Replays: what could not be handled is pending again by one write, and is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from shared.conversation.dead_letter_records import About, DeadLetter
from shared.conversation.partition import ConversationPartition, Stored, Transaction, question_id
from shared.conversation.records import KEEP_FINISHED
from shared.conversation.run_records import Checkpoint, QuestionKind, QuestionRecord, Run
from shared.conversation.states import DeadLetterState, EntryState, PartState, QuestionState, RunState
from shared.messages import (
    Conflict,
    EventKind,
    MovedOn,
    NotThere,
    Permanent,
    Refused,
)
from shared.pipeline import words
from shared.pipeline.dead_letter_views import Summary, letter_id
from shared.pipeline.dead_letters import dead_letter
from shared.pipeline.webhook import Inbound
from shared.steps import Step
from shared.topology import BACKGROUND, DEAD_LETTERS, OUTBOUND, TURNS
from tests.fakes.dead_letters import (
    LONG,
    WHO,
    a_dead_message,
    an_event_of_a_channel_that_is_off,
    lose_the_bells_of_replays,
    meet_before_the_first,
    only,
    replay,
    stored,
)
from tests.fakes.world import World


async def test_a_replayed_message_is_answered_and_says_what_it_answers(world: World) -> None:
    made = await a_dead_message(world, message="77", group=True)
    letter = await only(world)
    world.channel.sent.clear()
    done = await replay(world, note="the model is back")
    assert done.state is DeadLetterState.REPLAYED
    assert await world.settle() == [TURNS, OUTBOUND]
    assert "".join(world.texts) == f"{words.HANDLED_NOW}You said: hello"
    entry = await world.entry(made)
    assert (entry.n, entry.state, entry.starts) == (2, EntryState.CONSUMED, 1)
    record = await world.record()
    assert (record.entries, record.settled, record.waiting, record.wake_at) == (2, 2, 0, None)
    run = await world.partition().run(made.id)
    assert run
    assert run.record.state is RunState.FINISHED
    kept = await stored(world, letter.id)
    [action] = kept.actions
    assert (action.who, action.what, action.note, action.at) == (WHO, "replay", "the model is back", world.clock.now())
    assert kept.ttl
    assert (await world.app.dead_letter_actions.list()).letters == ()


async def test_a_person_who_was_not_told_of_the_trouble_is_not_told_that_it_is_over(world: World) -> None:
    world.assistant.troubles.append(Permanent("no such model"))
    await world.arrive("hello")
    [bell] = await world.app.broker.receive(queue=TURNS, limit=1)
    await world.handle(TURNS, bell.body)
    await replay(world)
    await world.settle()
    assert world.texts == ["You said: hello"]


async def test_what_arrived_since_is_answered_first_and_nobody_waits(world: World) -> None:
    await a_dead_message(world, "one", n=1)
    await world.arrive("two", n=2)
    await replay(world)
    await world.arrive("three", n=3)
    await world.settle()
    replies = [text for text in world.texts if text.startswith("You said")]
    assert replies == ["You said: two", "You said: one", "You said: three"]


async def test_it_goes_on_while_another_turn_of_the_conversation_works(world: World) -> None:
    await a_dead_message(world, "one", n=1)
    letter = await only(world)

    async def script(question: Any, _: Any) -> str:
        if question.text == "two":
            await replay(world, letter.id)
        return str(question.text)

    world.assistant.script = script
    await world.arrive("two", n=2)
    await world.settle()
    assert [text for text in world.texts if text in ("one", "two")] == ["two", "one"]
    assert (await world.record()).waiting == 0


async def test_a_run_keeps_what_it_has_done(world: World) -> None:
    made = await a_dead_message(world)
    run = await world.partition().run(made.id)
    assert run
    assert run.record.ttl is None, "it stays as long as its dead letter"
    transaction = Transaction()
    transaction.save(run, run.record.with_(tool_calls=7))
    await world.partition().commit(Step.FINISH_TURN, transaction)
    await replay(world)
    again = await world.partition().run(made.id)
    assert again
    assert (again.record.state, again.record.tool_calls) == (RunState.WORKING, 7)
    assert (again.record.started_at, again.record.finished_at) == (run.record.started_at, None)


async def a_dead_run_with_a_checkpoint(world: World) -> Run:
    """It had asked two questions, one of which was answered."""
    made = await a_dead_message(world)
    run = await world.partition().run(made.id)
    assert run
    changed = run.record.with_(checkpoint=Checkpoint(thread="t2", id="c"), superseded=("t1",), starts=3, attempt=2)
    transaction = Transaction()
    transaction.save(run, changed)
    for index, state in enumerate((QuestionState.ANSWERED, QuestionState.CLOSED)):
        question = QuestionRecord(
            n=changed.entry, state=state, run=made.id, conversation="c", about=QuestionKind.CHOICE, interrupt="i",
            index=index, call="call", text="Which?", token=f"token {index}", user="u", asked_at=world.clock.now(),
            expires_at=world.in_(60), taken_in=True, ttl=60,
        )  # fmt: skip
        transaction.create(question_id(run=made.id, interrupt="i", index=index), question)
    await world.partition().commit(Step.ASK, transaction)
    return changed


async def test_a_run_goes_on_from_its_checkpoint_with_the_answers_that_it_got(world: World) -> None:
    before = await a_dead_run_with_a_checkpoint(world)
    await replay(world)
    run = await world.partition().run(before.event)
    assert run
    assert (run.record.checkpoint, run.record.superseded) == (before.checkpoint, before.superseded)
    assert (run.record.starts, run.record.attempt) == (0, 0)
    questions = await world.partition().questions(entry=run.record.entry)
    assert [one.record.state for one in questions] == [QuestionState.ANSWERED], "the other one is asked anew"


async def test_a_run_whose_effects_are_forgotten_is_not_begun_again(world: World) -> None:
    await a_dead_run_with_a_checkpoint(world)
    id = (await only(world)).id
    world.clock.pass_(seconds=KEEP_FINISHED)
    with pytest.raises(MovedOn, match="no longer known"):
        await replay(world, id)
    assert (await only(world)).state is DeadLetterState.OPEN


async def test_the_checkpoints_of_a_discarded_run_are_removed(world: World) -> None:
    class Recorded:
        discarded: Sequence[str] = ()

        async def discard(self, *, threads: Sequence[str]) -> None:
            self.discarded = threads

        async def close(self) -> None:
            """Nothing is open."""

    world.app.checkpoints = recorded = Recorded()  # type: ignore[misc, assignment]  # the seam that tests re-wire
    await a_dead_run_with_a_checkpoint(world)
    await world.app.dead_letter_actions.discard((await only(world)).id, who=WHO)
    assert sorted(recorded.discarded) == ["t1", "t2"]


async def test_a_replay_that_fails_again_is_open_with_both_reasons(world: World) -> None:
    made = await a_dead_message(world)
    letter = await only(world)
    for n, reason in enumerate(("still no such model", "never"), start=2):
        world.clock.pass_(seconds=60)
        await replay(world)
        world.assistant.troubles.append(Permanent(reason))
        await world.settle()
        again = await only(world)
        assert (again.id, again.reason, again.failures, again.state) == (letter.id, reason, n, DeadLetterState.OPEN)
    kept = await stored(world, letter.id)
    assert [failure.reason for failure in kept.earlier] == ["no such model", "still no such model"]
    assert len(kept.actions) == 2
    assert (kept.ttl, kept.wake_at, kept.ring) == (None, None, None)
    assert (await world.entry(made)).state is EntryState.DEAD
    assert "".join(world.texts) == words.COULD_NOT + words.STILL_COULD_NOT, "the third time is no news"
    assert len({sent.key for sent in world.channel.sent}) == len(world.channel.sent), (
        "no platform takes it for the first"
    )
    await replay(world)
    await world.settle()
    assert world.texts[-1] == "You said: hello"


async def test_the_bell_that_was_lost_with_a_crash_is_rung_by_the_sweeper(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_dead_message(world)
    await lose_the_bells_of_replays(world, monkeypatch)
    assert (await replay(world)).state is DeadLetterState.REPLAYED
    assert await world.settle() == []
    await world.pass_(seconds=61)
    assert world.texts[-1] == "You said: hello"


async def test_nobody_is_rung_for_a_letter_that_is_closed(world: World) -> None:
    world.assistant.troubles.append(Permanent("no such model"))
    await world.arrive("hello")
    [bell] = await world.app.broker.receive(queue=TURNS, limit=1)
    await world.handle(TURNS, bell.body)
    [late] = await world.app.broker.receive(queue=DEAD_LETTERS, limit=1)
    await world.app.dead_letter_actions.discard((await only(world)).id, who=WHO)
    await world.handle(DEAD_LETTERS, late.body)
    world.clock.pass_(seconds=3600)
    assert await world.app.sweeper.sweep() == 0
    assert world.texts == []


async def test_a_reminders_turn_is_rung_in_the_background(world: World) -> None:
    await world.arrive("hello")
    await world.settle()
    user = await world.app.people.recognise(world.say("hello"))
    assert user
    await a_dead_message(world, "water the plants", n=2, kind=EventKind.REMINDER, sender=user.id)
    await replay(world)
    assert BACKGROUND in await world.settle()
    assert world.texts[-1] == "You said: water the plants"


# --- two at once, and too late --------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["replay", "discard"])
async def test_of_two_operators_at_once_one_wins_and_the_other_is_told(world: World, other: str) -> None:
    await a_dead_message(world)
    id = (await only(world)).id
    both = asyncio.Barrier(2)
    second = world.instance()
    for app in (world.app, second):
        meet_before_the_first(app.store, Step.REPLAY, Step.DISCARD, barrier=both)
    outcomes = await asyncio.gather(
        world.app.dead_letter_actions.replay(id, who="first"),
        getattr(second.dead_letter_actions, other)(id, who="second"),
        return_exceptions=True,
    )
    [won] = [outcome for outcome in outcomes if isinstance(outcome, Summary)]
    [lost] = [outcome for outcome in outcomes if isinstance(outcome, MovedOn)]
    [action] = (await stored(world, id)).actions
    assert action.who in str(lost)
    assert won.state in str(lost)
    await world.settle()
    turns = sum(text == "You said: hello" for text in world.texts)
    assert turns == (won.state is DeadLetterState.REPLAYED)
    await second.close()


async def test_what_has_moved_on_is_not_replayed(world: World) -> None:
    made = await a_dead_message(world)
    letter = await only(world)
    await replay(world)
    with pytest.raises(MovedOn, match="replayed already: by ann@example"):
        await replay(world, letter.id)
    with pytest.raises(MovedOn, match="replayed already"):
        await world.app.dead_letter_actions.discard(letter.id, who=WHO)
    await world.settle()
    # As if an older version had left the letter open.
    documents = await world.app.store.query(partition=world.partition().key, kind="dead_letter")
    [found] = [Stored(each.id, DeadLetter.model_validate(each.body), each.etag) for each in documents]
    transaction = Transaction()
    transaction.save(found, found.record.with_(state=DeadLetterState.OPEN))
    await world.partition().commit(Step.REPLAY, transaction)
    with pytest.raises(MovedOn, match="consumed"):
        await replay(world, letter.id)
    assert (await world.entry(made)).state is EntryState.CONSUMED


@pytest.mark.parametrize("id", ["", "dl-", "dl-nonsense", "nonsense", "dl-é", "dl-" + "A" * 5000, "../../etc"])
async def test_an_id_of_nothing_leads_nowhere(world: World, id: str) -> None:
    for act in (
        world.app.dead_letter_actions.show(id),
        world.app.dead_letter_actions.replay(id, who=WHO),
        world.app.dead_letter_actions.discard(id, who=WHO),
    ):
        with pytest.raises(NotThere):
            await act


async def test_an_id_leads_to_dead_letters_and_to_nothing_else(world: World) -> None:
    await a_dead_message(world)
    entry = next(iter((await world.app.dead_letter_actions.show((await only(world)).id)).concerned))
    with pytest.raises(NotThere):
        await world.app.dead_letter_actions.show(letter_id(world.partition().key, entry))


async def test_another_tenants_dead_letters_are_out_of_reach(world: World) -> None:
    theirs = ConversationPartition(store=world.app.store, tenant="another", conversation="c")
    transaction = Transaction()
    letter = dead_letter(about=About.MESSAGE, subject="s", reason="r", words="", now=world.clock.now())
    transaction.create("dead:s", letter)
    await theirs.commit(Step.RECORD_BROKER, transaction)
    id = letter_id(theirs.key, "dead:s")
    for act in (
        world.app.dead_letter_actions.show(id),
        world.app.dead_letter_actions.replay(id, who=WHO),
        world.app.dead_letter_actions.discard(id, who=WHO),
    ):
        with pytest.raises(NotThere):
            await act


# --- discards -------------------------------------------------------------------------------------------------


async def test_a_discarded_message_is_final_and_recorded(world: World) -> None:
    made = await a_dead_message(world)
    id = (await only(world)).id
    done = await world.app.dead_letter_actions.discard(id, who=WHO, note="a test")
    assert done.state is DeadLetterState.DISCARDED
    kept = await stored(world, id)
    assert [(action.who, action.what, action.note) for action in kept.actions] == [(WHO, "discard", "a test")]
    entry, run = await world.entry(made), await world.partition().run(made.id)
    assert run
    assert (entry.state, run.record.state) == (EntryState.DEAD, RunState.FAILED)
    assert all((kept.ttl, entry.ttl, run.record.ttl))
    with pytest.raises(MovedOn, match="discarded already"):
        await replay(world, id)
    await world.arrive("hello")
    await world.settle()
    assert (await world.app.dead_letter_actions.list()).letters == (), "another delivery of it changes nothing"


async def test_discarded_parts_are_final(world: World) -> None:
    world.channel.outcomes.extend([None, Refused("chat not found")])
    await world.arrive(LONG)
    await world.settle()
    await world.app.dead_letter_actions.discard((await only(world)).id, who=WHO)
    assert [(part.state, bool(part.ttl)) for part in (await world.parts())[1:3]] == [
        (PartState.REFUSED, True),
        (PartState.DROPPED, True),
    ]


async def test_an_event_that_was_discarded_is_not_recorded_again(world: World) -> None:
    made = await an_event_of_a_channel_that_is_off(world)
    await world.app.dead_letter_actions.discard((await only(world)).id, who=WHO)
    await world.app.intake.receive(Inbound(event=made).model_dump_json().encode())
    assert (await world.app.dead_letter_actions.list()).letters == ()


# --- looking --------------------------------------------------------------------------------------------------


async def test_the_list_has_pages_and_shows_no_text(world: World) -> None:
    for n in range(5):
        await a_dead_message(world, "a secret", n=n, chat=f"chat-{n}")
        world.clock.pass_(seconds=1)
    actions = world.app.dead_letter_actions
    seen, continuation = [], ""
    for size in (2, 2, 1):
        listing = await actions.list(limit=2, continuation=continuation)
        assert len(listing.letters) == size
        assert "a secret" not in listing.model_dump_json()
        seen += [letter.conversation for letter in listing.letters]
        continuation = listing.continuation
    assert continuation == ""
    assert seen == [world.partition(f"chat-{n}").id for n in (4, 3, 2, 1, 0)]


async def test_a_conversation_is_listed_with_what_is_closed(world: World) -> None:
    await a_dead_message(world, n=1)
    await world.app.dead_letter_actions.discard((await only(world)).id, who=WHO)
    world.clock.pass_(seconds=1)
    await a_dead_message(world, n=2)
    listing = await world.app.dead_letter_actions.list(conversation=world.partition().id)
    assert [letter.state for letter in listing.letters] == [DeadLetterState.OPEN, DeadLetterState.DISCARDED]


async def test_everything_about_one_is_shown(world: World) -> None:
    made = await a_dead_message(world, "my text")
    details = await world.app.dead_letter_actions.show((await only(world)).id)
    entry, run = details.concerned.values()
    assert entry["event"]["text"] == "my text"
    assert run["event"] == made.id
    assert (details.words, details.told_at) == (words.COULD_NOT, world.clock.now())


async def test_a_lost_race_against_the_conversation_is_no_lost_race_against_an_operator(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_dead_message(world)
    batch, races = world.app.store.batch, iter([1, 2, 3])

    async def busy(*, step: Step, **arguments: Any) -> Any:
        if step is Step.REPLAY and next(races, None):
            raise Conflict("the record moved")
        return await batch(step=step, **arguments)

    monkeypatch.setattr(world.app.store, "batch", busy)
    assert (await replay(world)).state is DeadLetterState.REPLAYED
