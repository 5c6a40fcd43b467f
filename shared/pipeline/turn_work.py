"""What a run does between being taken and its end: who asks, may they, and a segment of the agent's work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Protocol

from shared.access.people import People
from shared.access.records import User
from shared.agent.turn import (
    Answer,
    Budget,
    Control,
    Given,
    Outcome,
    Permission,
    Pointer,
    Question,
    Segment,
    Stopped,
)
from shared.conversation.partition import Stored
from shared.conversation.records import KEEP_FINISHED
from shared.conversation.run_records import QuestionKind, QuestionRecord, Run
from shared.conversation.states import QuestionState
from shared.messages import (
    Attachment,
    BudgetSpent,
    EventKind,
    InboundEvent,
    OutboundMessage,
    Transient,
    clean,
)
from shared.pipeline import words
from shared.pipeline.briefing import Briefing
from shared.pipeline.control import RunControl
from shared.pipeline.ledger import StoreLedger
from shared.pipeline.progress import ProgressDisplay
from shared.pipeline.rooms import Room
from shared.pipeline.work import Work
from shared.ports import Clock, Effect, Files, Limits
from shared.settings import Settings
from shared.telemetry import bind, enabled, hashed

GRACE = 120.0
"""Seconds past its budget after which a segment is cut: far longer than any single step may take."""
LONGEST_REPLY = 60_000
"""Characters; more than fifteen messages on Telegram."""
SHOWN_OF_LONG = 2_000


class Revised(Exception):
    """The run was written by another revision of the agent: the person decides what becomes of it."""


class Dropped(Exception):
    """The person does not want the run to go on with another revision of the agent."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a run came to. No message: nothing is said. No answer: the agent was not asked."""

    message: OutboundMessage | None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Worked:
    """A segment's end: what was said, or (None) how the agent paused; and what it took."""

    spoken: Spoken | None
    outcome: Outcome
    event: InboundEvent
    """The run's event, with its files fetched."""
    user: User
    revision: str
    seconds: float
    lately: Sequence[str]
    given: Sequence[str]
    """The ids of the questions whose answers went into the segment."""


class Assistant(Protocol):
    """What a run needs of the agent, which is loaded on first use because its libraries are heavy."""

    async def work(self, *, segment: Segment, control: Control) -> Outcome:
        """Work on a segment of a run."""

    async def revision(self) -> str:
        """What the agent is: another revision cannot go on with a run without asking."""


class Policy(Protocol):
    """Which tools people's runs may call."""

    def permission(self, *, tool: str, effect: Effect, user: User) -> Permission:
        """Whether it may be called, may not, or needs somebody's word."""


class TurnWork:
    """Works on runs, a segment at a time."""

    def __init__(
        self,
        *,
        people: People,
        limits: Limits,
        policy: Policy,
        assistant: Callable[[], Awaitable[Assistant]],
        briefing: Briefing,
        files: Files,
        clock: Clock,
        settings: Settings,
        stopping: Callable[[], bool],
    ) -> None:
        self._people = people
        self._limits = limits
        self._policy = policy
        self._assistant = assistant
        self._briefing = briefing
        self._files = files
        self._clock = clock
        self._settings = settings
        self._stopping = stopping

    async def segment(self, room: Room, work: Work, *, seconds: float) -> Worked | Spoken:
        """Work on a run for so many seconds. A Spoken alone: the agent was not asked.

        Raises Stopped, Transient or Permanent as trouble has it, LeaseLost, Revised and Dropped.
        """
        event = work.entry.record.event
        standing = await self._people.standing(event)
        if not standing.allowed or standing.user is None:
            return Spoken(None if standing.silent else OutboundMessage(text=words.REFUSED))
        if not work.run.record.segments:
            refusal = await self._limits.refusal(user=standing.user.id, action="turn")
            if refusal:
                return Spoken(OutboundMessage(text=refusal))
        assistant = await self._assistant()
        revision = await assistant.revision()
        answered, afresh = await self._answers(work, revision)
        question, event = await self._briefing.question(room, work, standing.user)
        segment = Segment(
            question=question,
            thread=f"{room.partition.tenant}:{work.run.record.event}~{work.hold.epoch}.{work.run.record.segments}",
            budget=self._budget(work.run.record),
            accepted=_pointer(work.run.record),
            answers=_given(answered),
            afresh=words.CHANGED_MEANWHILE if afresh else "",
        )
        begun = self._clock.monotonic()
        display = None
        if event.kind is not EventKind.REMINDER:
            display = ProgressDisplay(room=room, address=work.hold.stored.record.address, clock=self._clock)
        control = self._control(room, work, standing.user, question, revision, begun + seconds, display)
        with bind(user=hashed(room.partition.tenant, standing.user.id)) if enabled() else nullcontext():
            outcome = await self._cut(assistant, segment, control, seconds=seconds, display=display)
        spoken = Spoken(await self._reply(event, outcome.answer), outcome.answer) if outcome.answer else None
        return Worked(
            spoken=spoken,
            outcome=outcome,
            event=event,
            user=standing.user,
            revision=revision,
            seconds=self._clock.monotonic() - begun,
            lately=tuple(work.lately),
            given=[one.id for one in answered],
        )

    async def _cut(
        self,
        assistant: Assistant,
        segment: Segment,
        control: RunControl,
        *,
        seconds: float,
        display: ProgressDisplay | None,
    ) -> Outcome:
        """Let the agent work; /stop cuts it, and so does a step that takes far too long."""
        task = asyncio.get_running_loop().create_task(assistant.work(segment=segment, control=control))
        control.watch(task)
        try:
            async with asyncio.timeout(seconds + GRACE):
                return await task
        except TimeoutError:
            raise Transient(f"a step took more than {GRACE:g} s longer than the segment may") from None
        except asyncio.CancelledError:
            if control.stopped:
                raise Stopped("the person said stop") from None
            raise
        finally:
            await control.end()
            if display:
                await display.stop()

    def _control(
        self,
        room: Room,
        work: Work,
        user: User,
        question: Question,
        revision: str,
        deadline: float,
        display: ProgressDisplay | None,
    ) -> RunControl:
        def about() -> str:
            return work.lately[-1] if work.lately else ""

        def permit(tool: str, effect: Effect) -> Permission:
            return self._policy.permission(tool=tool, effect=effect, user=user)

        return RunControl(
            work=work,
            ledger=StoreLedger(work=work, revision=revision, user=user.id, clock=self._clock, about=about),
            question=partial(self._briefing.arrived, room, question),
            permit=permit,
            clock=self._clock,
            deadline=deadline,
            stopping=self._stopping,
            display=display,
        )

    async def _answers(self, work: Work, revision: str) -> tuple[Sequence[Stored[QuestionRecord]], bool]:
        """The answered questions of the run, and whether it goes on with another revision of the agent."""
        run = work.run.record
        if run.checkpoint is None:
            return (), False
        settled = (QuestionState.ANSWERED, QuestionState.EXPIRED)
        questions = await work.hold.partition.questions(entry=run.entry, states=settled)
        if run.revision == revision:
            return questions, False
        decided = [one.record for one in questions if one.record.about is QuestionKind.REVISION]
        answer = decided[-1].answer if decided and not decided[-1].taken_in else None
        if answer is None:
            raise Revised
        if answer.value.get("type") != "continue":
            raise Dropped
        return questions, True

    def _budget(self, run: Run) -> Budget:
        """What is left. Raises BudgetSpent where the run has worked for longer than it may."""
        settings = self._settings
        if run.worked_seconds >= settings.run_seconds:
            raise BudgetSpent(f"it worked for {run.worked_seconds:.0f} s, and {settings.run_seconds:g} is the most")
        return Budget(
            model_calls=settings.run_model_calls - run.model_calls,
            tokens=settings.run_tokens - run.input_tokens - run.output_tokens,
        )

    async def _reply(self, event: InboundEvent, answer: Answer) -> OutboundMessage:
        """The answer as a message; one that nobody would scroll through comes as a file."""
        text = clean(answer.text)
        attachments = tuple(answer.attachments)
        if len(text) > LONGEST_REPLY:
            stored = await self._files.put(
                owner=event.conversation,
                name="reply.md",
                media_type="text/markdown",
                content=text.encode(),
                keep=timedelta(seconds=KEEP_FINISHED),
            )
            whole = Attachment(name=stored.name, media_type=stored.media_type, size=stored.size, file=stored.id)
            text = f"{text[:SHOWN_OF_LONG]}…\n\n{words.REST_IN_FILE}"
            attachments = (*attachments, whole)
        return OutboundMessage(text=text, attachments=attachments, reply_to=event.message if event.group else "")


def _pointer(run: Run) -> Pointer | None:
    kept = run.checkpoint
    return Pointer(thread=kept.thread, checkpoint=kept.id) if kept else None


def _given(answered: Sequence[Stored[QuestionRecord]]) -> list[Given]:
    """What the agent gets of the answers; what becomes of another revision's run is none of its business."""
    records = [one.record for one in answered if one.record.about is not QuestionKind.REVISION]
    return [
        Given(interrupt=one.interrupt, index=one.index, call=one.call, value=one.answer.value)
        for one in records
        if one.answer
    ]
