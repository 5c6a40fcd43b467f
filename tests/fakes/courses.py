"""What a run may come to, a segment at a time: courses for the fake assistant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from shared.agent.turn import (
    Answer,
    Asked,
    AskKind,
    Control,
    Cost,
    Outcome,
    Pointer,
    Segment,
)
from shared.conversation.states import EffectState
from shared.ports import Effect

Course = Callable[[Segment, Control], Awaitable[Outcome]]
COST = Cost(model="fake", model_calls=1, tool_calls=1, input_tokens=10, output_tokens=5)


def said(text: str) -> Outcome:
    """It is finished."""
    return Outcome(cost=COST, answer=Answer(text=text, model="fake", model_calls=1))


def paused(segment: Segment, n: int = 0) -> Outcome:
    """Its time is over."""
    return Outcome(cost=COST, pointer=Pointer(thread=f"{segment.thread}.{n}", checkpoint=f"checkpoint-{n}"))


def asks(segment: Segment, *asked: Asked) -> Outcome:
    """It wants to know something."""
    return Outcome(cost=COST, asked=asked, pointer=Pointer(thread=f"{segment.thread}.q", checkpoint="at-question"))


def approval(*, interrupt: str = "i1", index: int = 0, tool: str = "forget", **arguments: Any) -> Asked:
    """Whether a tool may be called."""
    return Asked(
        interrupt=interrupt,
        index=index,
        call=f"call-{interrupt}",
        kind=AskKind.APPROVAL,
        tool=tool,
        arguments=arguments or {"everything": True},
        text="",
    )


async def pause(segment: Segment, _: Control) -> Outcome:
    """Its time is over at once."""
    return paused(segment)


async def ask(segment: Segment, _: Control) -> Outcome:
    """It asks for an approval at once."""
    return asks(segment, approval())


def say(text: str) -> Course:
    """It is finished at once."""

    async def course(segment: Segment, _: Control) -> Outcome:
        return said(text)

    return course


def in_turn(*courses: Course) -> Course:
    """One course for each segment, the last one again and again."""
    left = list(courses)

    async def course(segment: Segment, control: Control) -> Outcome:
        following = left.pop(0) if len(left) > 1 else left[0]
        return await following(segment, control)

    return course


async def write(segment: Segment, control: Control, *, key: str, does: Callable[[], Awaitable[None]]) -> None:
    """One effect, through the ledger."""
    pointer = Pointer(thread=f"{segment.thread}.{key}", checkpoint=key)
    await control.ledger.start(key=key, tool="post", effect=Effect.WRITE, arguments="hash", attempt=1, pointer=pointer)
    await does()
    await control.ledger.finish(key=key, state=EffectState.DONE, result={"text": "done"})


def answers(segment: Segment) -> Sequence[str]:
    """What was answered, in the order of the questions."""
    return [str(given.value["type"]) for given in segment.answers]
