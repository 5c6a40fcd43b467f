"""Timelines: everything that happened to a message is there, with the times that were written down, and no more."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from shared.agent.turn import Control, Outcome, Segment
from shared.conversation.run_records import SegmentEnd
from shared.messages import EventKind, InboundEvent, ModelUnavailable, NotTaken, NotThere, Permanent, Refused
from shared.pipeline.timeline_views import Happened, Item, Lane, Timeline, Tone
from shared.ports import WebhookRequest
from tests.fakes import courses
from tests.fakes.courses import ask, pause
from tests.fakes.world import World

SECRET = "what nobody else may read"


async def tell(segment: Segment, _: Control) -> Outcome:
    return courses.said("done at last")


def lasting(world: World, course: courses.Course, seconds: float) -> courses.Course:
    """A course that takes its time."""

    async def slow(segment: Segment, control: Control) -> Outcome:
        world.clock.pass_(seconds=seconds)
        return await course(segment, control)

    return slow


async def whole(world: World, **how: object) -> Timeline:
    return await world.app.timelines.of(world.partition().id, **how)  # type: ignore[arg-type]  # limit and text


async def of(world: World, event: InboundEvent, **how: object) -> Happened:
    timeline = await world.app.timelines.of(event.id, conversation=event.conversation, **how)  # type: ignore[arg-type]
    [only] = timeline.happened
    assert (timeline.event, only.event) == (event.id, event.id)
    return only


def lane(happened: Happened, lane: Lane) -> list[Item]:
    return [item for item in happened.items if item.lane is lane]


def took(item: Item) -> float:
    assert item.until
    return (item.until - item.at).total_seconds()


async def test_a_message_that_was_answered(world: World) -> None:
    made = world.say(SECRET)
    made = made.model_copy(update={"sent_at": world.clock.now() - timedelta(seconds=2)})
    await world.app.intake.receive(json.dumps({"event": made.model_dump(mode="json")}).encode())
    world.clock.pass_(seconds=3)
    world.assistant.course = lasting(world, tell, 5)
    await world.settle()
    happened = await of(world, made)
    assert [(item.lane, item.what) for item in happened.items] == [
        (Lane.INTAKE, "sent, by the platform's clock"),
        (Lane.INTAKE, "received, and put into the mailbox"),
        (Lane.TURN, "waited for its turn"),
        (Lane.TURN, "run finished"),
        (Lane.SEGMENTS, "segment 1: finished"),
        (Lane.DELIVERY, "reply: sent"),
    ]
    waited, run = lane(happened, Lane.TURN)
    assert (took(waited), took(run)) == (3, 5)
    assert not any(item.open for item in happened.items)
    assert (happened.number, happened.kind, happened.state, happened.length) == (1, "message", "consumed", len(SECRET))


async def test_what_people_and_the_assistant_wrote_is_there_only_where_it_was_asked_for(world: World) -> None:
    world.assistant.course = courses.in_turn(ask, tell)
    made = await world.arrive(SECRET)
    await world.settle()
    await world.arrive(f"no, because {SECRET}", n=2)
    await world.settle()
    hidden = (await whole(world)).model_dump_json()
    for text in (SECRET, "done at last", "forget everything"):
        assert text not in hidden
    shown = (await whole(world, text=True)).model_dump_json()
    for text in (SECRET, "done at last", "forget everything"):
        assert text in shown
    reply = lane(await of(world, made), Lane.DELIVERY)[-1]
    assert (reply.text, reply.length) == ("", len("done at last"))


async def test_a_long_run_shows_each_of_its_segments(world: World) -> None:
    course = courses.in_turn(pause, pause, tell)
    world.assistant.course = lasting(world, course, 8)
    made = await world.arrive("something long")
    await world.settle()
    segments = lane(await of(world, made), Lane.SEGMENTS)
    assert [item.what for item in segments] == [
        "segment 1: its time was over", "segment 2: its time was over", "segment 3: finished",
    ]  # fmt: skip
    assert [took(item) for item in segments] == [8, 8, 8]
    run = lane(await of(world, made), Lane.TURN)[-1]
    assert took(run) >= 24
    assert "handed over to an orchestration" in run.details


async def test_a_question_lasts_from_being_asked_to_its_answer(world: World) -> None:
    world.assistant.course = courses.in_turn(ask, tell)
    made = await world.arrive("forget me")
    await world.settle()
    happened = await of(world, made)
    [question, reminder, expiry] = lane(happened, Lane.QUESTIONS)
    assert (question.open, question.until, question.tone) == (True, None, Tone.WAITING)
    assert (reminder.what, expiry.what) == ("is asked again", "expires")
    assert lane(happened, Lane.TURN)[-1].open
    assert lane(happened, Lane.TURN)[-1].what == "run waits for an answer"
    world.clock.pass_(seconds=600)
    answer = await world.arrive("yes", n="yes")
    await world.settle()
    happened = await of(world, made)
    [question] = lane(happened, Lane.QUESTIONS)
    assert (question.what, took(question)) == ("asks for approval: answered", 600)
    assert "answer: approve" in question.details
    assert f"by {answer.id}" in question.details
    assert [item.what for item in lane(happened, Lane.SEGMENTS)] == ["segment 1: asked", "segment 2: finished"]
    assert {item.what for item in lane(happened, Lane.DELIVERY)} == {"question: sent", "reply: sent"}
    assert lane(await of(world, answer), Lane.TURN)[0].what == "needed no turn: dealt with on arrival"


async def test_a_reminder_of_a_question_belongs_to_it(world: World) -> None:
    world.assistant.course = courses.in_turn(ask, tell)
    made = await world.arrive("forget me")
    await world.settle()
    await world.pass_(seconds=13 * 3600)
    assert "question again: sent" in [item.what for item in lane(await of(world, made), Lane.DELIVERY)]


async def test_an_effect_is_shown_with_its_end(world: World) -> None:
    async def post() -> None:
        world.clock.pass_(seconds=2)

    async def write(segment: Segment, control: Control) -> Outcome:
        await courses.write(segment, control, key="k", does=post)
        return courses.said("posted")

    world.assistant.course = write
    made = await world.arrive("post it")
    await world.settle()
    [effect] = lane(await of(world, made), Lane.EFFECTS)
    assert (effect.what, effect.tone, took(effect)) == ("post: done", Tone.GOOD, 2)


async def test_a_message_that_a_run_took_in_says_whose(world: World) -> None:
    async def hear(segment: Segment, control: Control) -> Outcome:
        world.clock.pass_(seconds=4)
        assert not await control.arrivals()
        await world.arrive("and in red", n=2)
        world.clock.pass_(seconds=1)
        await control.before_step()
        await control.arrivals()
        return courses.said("done, in red")

    world.assistant.course = hear
    made = await world.arrive("paint it")
    await world.settle()
    second = world.say("and in red", n=2)
    [taken] = lane(await of(world, second), Lane.TURN)
    assert (taken.what, took(taken)) == (f"taken in by the run of {made.id}", 1)
    assert f"took in {second.id}" in lane(await of(world, made), Lane.TURN)[-1].details
    _, shown = (await whole(world)).happened
    assert lane(shown, Lane.TURN) == [taken]


async def test_trouble_that_passes_is_a_segment_that_waits(world: World) -> None:
    world.assistant.troubles.append(ModelUnavailable("away"))
    made = await world.arrive("hello")
    await world.settle()
    happened = await of(world, made)
    assert "is tried again, after 1 tries" in [item.what for item in lane(happened, Lane.TURN)]
    assert happened.state == "waiting"
    await world.pass_(seconds=3600)
    segments = lane(await of(world, made), Lane.SEGMENTS)
    assert [item.tone for item in segments] == [Tone.WAITING, Tone.GOOD]
    assert "notice of trouble: sent" in [item.what for item in lane(await of(world, made), Lane.DELIVERY)]


async def test_a_segment_whose_process_died_has_no_end_that_nobody_knows(world: World) -> None:
    made = await world.arrive("hello")
    world.assistant.troubles.append(RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        await world.settle()
    [open_one] = lane(await of(world, made), Lane.SEGMENTS)
    assert (open_one.what, open_one.open) == ("segment 1: works", True)
    await world.pass_(seconds=120)
    lost, second = lane(await of(world, made), Lane.SEGMENTS)
    assert (lost.open, lost.until, lost.tone) == (False, None, Tone.BAD)
    assert lost.what == "segment 1: broke off"
    assert second.what == "segment 2: finished"


async def test_what_was_stopped(world: World) -> None:
    world.assistant.course = courses.in_turn(pause, ask)
    made = await world.arrive("something long")
    await world.settle()
    stop = await world.arrive("/stop", n="stop")
    await world.settle()
    happened = await of(world, made)
    assert lane(happened, Lane.TURN)[-1].what == "run stopped"
    [question] = lane(happened, Lane.QUESTIONS)
    assert question.what == "asks for approval: closed"
    assert question.until == lane(happened, Lane.TURN)[-1].until
    assert lane(happened, Lane.DELIVERY)[-1].what == "what was stopped: sent"
    assert lane(await of(world, stop), Lane.TURN)[0].what == "needed no turn: dealt with on arrival"


async def test_a_dead_letter_with_what_operators_did(world: World) -> None:
    world.assistant.troubles += [Permanent("no such model"), Permanent("still none")]
    made = await world.arrive(SECRET)
    await world.settle()
    happened = await of(world, made)
    assert happened.state == "dead"
    [letter, failure, told] = lane(happened, Lane.DEAD_LETTERS)
    assert (letter.open, failure.details, told.what) == (True, ("no such model",), "the person was told")
    [summary] = (await world.app.dead_letter_actions.list()).letters
    for _ in range(2):
        world.clock.pass_(seconds=60)
        await world.app.dead_letter_actions.replay(summary.id, who="olga", note="a new model")
        await world.settle()
    happened = await of(world, made)
    assert happened.state == "consumed"
    letters = lane(happened, Lane.DEAD_LETTERS)
    assert letters[0].what == "dead letter about the entry: replayed"
    assert took(letters[0]) == 120
    assert [item.what for item in letters].count("replay by olga") == 2
    assert [item.details for item in letters if item.what == "could not be handled"] == [
        ("no such model",), ("still none",),
    ]  # fmt: skip
    assert [item.what for item in lane(happened, Lane.SEGMENTS)][-1] == "segment 3: finished"


async def test_a_reply_that_is_tried_again_and_one_that_is_refused(world: World) -> None:
    world.channel.outcomes.append(NotTaken("too many", retry_after=5))
    made = await world.arrive("one")
    await world.settle()
    [sending, first] = lane(await of(world, made), Lane.DELIVERY)
    assert (sending.open, sending.what, first.what) == (True, "reply: pending", "reply: first try")
    await world.pass_(seconds=120)
    sent, _ = lane(await of(world, made), Lane.DELIVERY)
    assert (sent.what, took(sent)) == ("reply: sent", 120)
    assert "tried 2 times" in sent.details
    world.channel.outcomes.append(Refused("blocked"))
    refused = await world.arrive("two", n=2)
    await world.settle()
    happened = await of(world, refused)
    assert lane(happened, Lane.DELIVERY)[0].what == "reply: refused"
    assert lane(happened, Lane.DELIVERY)[0].until == lane(happened, Lane.DEAD_LETTERS)[0].at


# --- conversations --------------------------------------------------------------------------------------------


async def test_a_conversation_shows_its_last_events_the_newest_last(world: World) -> None:
    made = []
    for n in range(1, 6):
        made.append(await world.arrive(f"message {n}", n=n))
        await world.settle()
        world.clock.pass_(seconds=1)
    timeline = await whole(world, limit=2)
    assert [one.event for one in timeline.happened] == [event.id for event in made[-2:]]
    assert timeline.notes == ("Only the last 2 events are shown; a higher limit shows more.",)
    timeline = await whole(world)
    assert [one.number for one in timeline.happened] == [1, 2, 3, 4, 5]
    assert (timeline.notes, timeline.event, timeline.conversation) == ((), "", world.partition().id)
    assert await whole(world) == timeline, "the order is stable"


async def test_an_event_that_never_got_into_its_mailbox_is_shown_with_its_dead_letter(world: World) -> None:
    event = await world.arrive("", kind=EventKind.UNREADABLE, reason="what is this?")
    await world.settle()
    happened = await of(world, event)
    assert happened.number is None
    assert happened.items[0].what == "received"
    assert lane(happened, Lane.DEAD_LETTERS)[0].open
    assert event.id in [one.event for one in (await whole(world)).happened]


# --- finding --------------------------------------------------------------------------------------------------


async def test_an_event_is_found_by_itself_where_something_is_open_or_its_id_names_the_chat(world: World) -> None:
    world.assistant.troubles.append(Permanent("no"))
    dead = await world.arrive("dead", n=1)
    await world.settle()
    waiting = await world.arrive("waiting", n=2, chat="other")
    named = await world.arrive("named", n="ann.77", chat="ann")
    await world.settle()
    for event in (dead, named):
        assert (await world.app.timelines.of(event.id)).conversation == event.conversation
    with pytest.raises(NotThere, match="--in CONVERSATION"):
        await world.app.timelines.of(waiting.id)
    assert (await world.app.timelines.of(waiting.id, conversation=waiting.conversation)).event == waiting.id


@pytest.mark.parametrize("id", ["", "nonsense", "main:fake:bot:nobody", "a:b:c:d:e", "ü\0", "x" * 3000])
async def test_an_unknown_id_says_how_to_find_one(world: World, id: str) -> None:
    with pytest.raises(NotThere, match="dead-letters list"):
        await world.app.timelines.of(id)


# --- over HTTP ------------------------------------------------------------------------------------------------


def request(**query: str) -> WebhookRequest:
    return WebhookRequest(method="GET", url="http://x", headers={}, query=query, body=b"")


async def test_over_http_it_is_json_without_text_unless_that_is_asked_for(world: World) -> None:
    made = await world.arrive(SECRET)
    await world.settle()
    answer = await world.app.operations.show_timeline(request=request(of=made.conversation))
    assert (answer.status, answer.media_type) == (200, "application/json")
    assert SECRET.encode() not in answer.body
    assert json.loads(answer.body)["happened"][0]["event"] == made.id
    answer = await world.app.operations.show_timeline(
        request=request(**{"of": made.id, "in": made.conversation, "text": "true"})
    )
    assert SECRET.encode() in answer.body
    for query, status in (({}, 400), ({"of": "x"}, 404), ({"of": "x", "limit": "0"}, 400)):
        answer = await world.app.operations.show_timeline(request=request(**query))
        assert (answer.status, "error" in json.loads(answer.body)) == (status, True)


async def test_a_run_remembers_its_last_segments_only(world: World) -> None:
    world.assistant.course = courses.in_turn(*[pause] * 60, tell)
    made = await world.arrive("something long")
    await world.settle(most=500)
    found = await world.partition().run(made.id)
    assert found
    assert (len(found.record.past), found.record.past[-1].n) == (50, 61)
    assert found.record.past[-1].end is SegmentEnd.FINISHED
