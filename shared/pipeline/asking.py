"""Asking: from what the agent wants to know to a question that a person reads, and the ways that lead to it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import BaseModel, ValidationError

from shared.access.people import People
from shared.access.records import Role, User
from shared.agent.turn import Asked, AskKind
from shared.conversation import questions
from shared.conversation.partition import ConversationPartition, Stored, question_id
from shared.conversation.records import KEEP_FINISHED
from shared.conversation.run_records import QuestionKind, QuestionRecord, Run
from shared.messages import Address, InboundEvent, OutboundMessage, said
from shared.pipeline import words_questions as words
from shared.ports import Checkable, Clock, Effect, Explaining, Tool
from shared.settings import Settings
from shared.telemetry import carried, logger

log = logger(__name__)

REVISION = "revision"
"""Stands for LangGraph's id of an interrupt in the question that the pipeline asks by itself."""
_TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class _To:
    """Whom a question goes to."""

    user: str
    name: str = ""
    routed: Address | None = None


class Asking:
    """Makes questions."""

    def __init__(
        self, *, people: People, tools: Callable[[], Mapping[str, Tool]], clock: Clock, settings: Settings
    ) -> None:
        self._people = people
        self._tools = tools
        self._clock = clock
        self._settings = settings

    async def prepare(
        self,
        *,
        partition: ConversationPartition,
        run: Run,
        event: InboundEvent,
        user: User,
        asked: Sequence[Asked],
        known: Sequence[Stored[QuestionRecord]],
    ) -> list[QuestionRecord]:
        """The new questions of a run, to be written by its holder under `question_id`. The ways to them are written here.

        Safe to do again after a crash: a way to a question that was never written leads nowhere.
        """
        there = {(one.record.interrupt, one.record.index) for one in known}
        new = [one for one in asked if (one.interrupt, one.index) not in there]
        person = _To(user.id, user.name)
        approver = await self._approver(person) if any(one.kind is AskKind.APPROVAL for one in new) else person
        made: list[QuestionRecord] = []
        for one in new:
            to = approver if one.kind is AskKind.APPROVAL else person
            what, text, options = self._worded(one, asker=_name(user, event) if to.routed else "")
            question = self._question(
                partition=partition,
                run=run,
                to=to,
                about=QuestionKind(one.kind.value),
                interrupt=one.interrupt,
                index=one.index,
                call=one.call,
                tool=one.tool,
                arguments=dict(one.arguments),
                what=what,
                text=text,
                options=tuple(options),
            )
            await self._point(partition, question)
            made.append(question)
        return made

    async def revision_question(
        self,
        *,
        partition: ConversationPartition,
        run: Run,
        event: InboundEvent,
        known: Sequence[Stored[QuestionRecord]],
    ) -> QuestionRecord:
        """The question whether a run goes on although the assistant was changed since its checkpoint."""
        question = self._question(
            partition=partition,
            run=run,
            to=_To(run.user),
            about=QuestionKind.REVISION,
            interrupt=REVISION,
            index=sum(one.record.about is QuestionKind.REVISION for one in known),
            call="",
            what=_begun(said(event)) or "what you asked for",
            text=words.revision(waited=bool(known)),
        )
        await self._point(partition, question)
        return question

    def message(self, question: QuestionRecord) -> OutboundMessage:
        """A question as it is asked, where it is asked."""
        return words.message(question)

    def notice(self, question: QuestionRecord) -> OutboundMessage | None:
        """For the run's own conversation, where the question goes to somebody else."""
        return words.notice(question)

    # --- whom -------------------------------------------------------------------------------------------------

    async def _approver(self, person: _To) -> _To:
        if not self._settings.approver:
            return person
        approver = await self._people.approver()
        if approver and approver.id == person.user:
            return person
        if approver is None or approver.home is None or approver.role is Role.BLOCKED:
            reason = "is not known" if approver is None else "has no private conversation, or is blocked"
            log.warning("approver not reached", extra={"fields": {"reason": f"the approver {reason}"}})
            return person
        return _To(approver.id, approver.name, routed=approver.home)

    # --- the record -------------------------------------------------------------------------------------------

    def _question(
        self,
        *,
        partition: ConversationPartition,
        run: Run,
        to: _To,
        about: QuestionKind,
        interrupt: str,
        index: int,
        call: str,
        what: str,
        text: str,
        tool: str = "",
        arguments: dict[str, object] | None = None,
        options: tuple[str, ...] = (),
    ) -> QuestionRecord:
        now, patience = self._clock.now(), timedelta(hours=self._settings.question_hours)
        return QuestionRecord(
            n=run.entry,
            run=run.event,
            conversation=partition.id,
            about=about,
            interrupt=interrupt,
            index=index,
            call=call,
            tool=tool,
            arguments=arguments or {},
            what=what,
            text=text,
            options=options,
            token=secrets.token_urlsafe(_TOKEN_BYTES),
            user=to.user,
            name=to.name,
            routed=to.routed,
            told=to.routed is None,
            asked_at=now,
            remind_at=now + patience / 2,
            expires_at=now + patience,
            **carried(run),
        )

    async def _point(self, partition: ConversationPartition, question: QuestionRecord) -> None:
        await questions.point(
            partition.store,
            tenant=partition.tenant,
            token=question.token,
            user=question.user,
            conversation=partition.id,
            question=question_id(run=question.run, interrupt=question.interrupt, index=question.index),
            at=question.asked_at,
            ttl=int(self._settings.question_hours * 3600) + KEEP_FINISHED,
        )

    # --- the words --------------------------------------------------------------------------------------------

    def _worded(self, asked: Asked, *, asker: str) -> tuple[str, str, Sequence[str]]:
        """What a question is about, its whole text, and its options."""
        tool = self._tools().get(asked.tool)
        match asked.kind:
            case AskKind.APPROVAL:
                what, text = words.approval(
                    explained=_explained(tool, asked.arguments),
                    tool=asked.tool,
                    arguments=asked.arguments,
                    destroys=tool is not None and tool.effect is Effect.DESTRUCTIVE,
                    asker=asker,
                )
                return what, text, ()
            case AskKind.CHOICE:
                return _begun(asked.text), words.choice(asked.text, asked.options), asked.options
            case AskKind.TEXT:
                return _begun(asked.text), asked.text, ()
            case AskKind.UNCERTAIN:
                ways = asked.options or ("check", "repeat", "drop")
                if tool is not None and not isinstance(tool, Checkable):
                    ways = [way for way in ways if way != "check"]
                what = words.shorter(_explained(tool, asked.arguments) or f"use {asked.tool}", words.NAMED)
                if asked.text:
                    return what, words.about(asked.text, what=what), ways
                return what, words.uncertain(what=what, can_check="check" in ways), ways


def _begun(text: str) -> str:
    return words.shorter(" ".join(text.split()), words.NAMED)


def _name(user: User, event: InboundEvent) -> str:
    return user.name or event.sender.name or "Somebody"


def _explained(tool: Tool | None, arguments: Mapping[str, object]) -> str:
    """What a call would do, in its tool's own words; empty where it has none for these arguments."""
    if tool is None or not isinstance(tool, Explaining):
        return ""
    try:
        checked: BaseModel = tool.arguments.model_validate(arguments)
        return " ".join(tool.explain(arguments=checked).split())
    except ValidationError:
        return ""
    except Exception:
        log.exception("a tool could not explain a call")
        return ""
