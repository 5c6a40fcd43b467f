"""A run that waits for an answer is looked at when something is due for its question, and not in between."""

from __future__ import annotations

from datetime import timedelta

from shared.agent.turn import Asked, AskKind, Control, Cost, Outcome, Pointer, Segment
from shared.conversation.lease import watched
from tests.fakes.world import World


async def _asks(segment: Segment, control: Control) -> Outcome:
    asked = Asked(
        interrupt="i",
        index=0,
        call="c",
        kind=AskKind.CHOICE,
        tool="ask",
        arguments={},
        text="Which?",
        options=("a", "b"),
    )
    return Outcome(cost=Cost(), asked=[asked], pointer=Pointer(thread="t", checkpoint="1"))


async def test_after_the_reminder_the_sweeper_leaves_a_waiting_run_alone_until_the_question_expires(
    world: World,
) -> None:
    world.assistant.course = _asks
    event = await world.arrive("please")
    await world.settle()
    await world.pass_(seconds=timedelta(hours=12, seconds=5).total_seconds())
    run = await world.partition().run(event.id)
    assert run
    [question] = await world.partition().questions(entry=run.record.entry)
    assert question.record.remind_at is None, "the person was reminded"
    assert run.record.wake_at == watched(question.record.expires_at)
    assert await world.pass_(seconds=3600) == [], "an hour in which nothing is due"
