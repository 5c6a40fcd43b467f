"""Answers to questions, from buttons and from words: who may give them, the first one counts, everybody hears what became of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shared.access.people import People
from shared.access.records import User
from shared.conversation.mailbox import Decide, Settled
from shared.conversation.outbox import RUNG, Outgoing
from shared.conversation.partition import ConversationPartition, Stored, Transaction
from shared.conversation.questions import BUTTON
from shared.conversation.records import ConversationRecord
from shared.conversation.run_records import GivenAnswer, QuestionKind, QuestionRecord
from shared.conversation.states import QuestionState
from shared.messages import Bell, Conflict, EventKind, InboundEvent, OutboundMessage, said
from shared.pipeline import given, spoken, words
from shared.pipeline import words_questions as say
from shared.pipeline.bells import Bells
from shared.pipeline.edits import WrongEditError
from shared.pipeline.given import Value
from shared.pipeline.open_questions import Found, OpenQuestions
from shared.pipeline.rooms import Rooms
from shared.ports import Clock, Store, Tool
from shared.steps import Step
from shared.telemetry import carried, logger, span
from shared.topology import TURNS

log = logger(__name__)

_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,48}")


@dataclass(frozen=True, slots=True)
class Answered:
    """What an event comes to that has to do with a question."""

    decide: Decide
    question: Found | None = None
    """The question whose run is to be rung for, once the event is in its mailbox."""


class Answers:
    """Takes answers."""

    def __init__(
        self,
        *,
        store: Store,
        rooms: Rooms,
        people: People,
        tools: Callable[[], Mapping[str, Tool]],
        bells: Bells,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._people = people
        self._tools = tools
        self._bells = bells
        self._clock = clock
        self._open = OpenQuestions(store=store, rooms=rooms, people=people)

    async def decision(
        self, partition: ConversationPartition, event: InboundEvent, head: ConversationRecord | None
    ) -> Answered | None:
        """What an event comes to that answers a question; None where it does not. Settles the question.

        An ordinary message costs nothing: `head` says whether anything waits here.
        """
        if event.kind is EventKind.PRESS and event.button.startswith(BUTTON):
            return await self._pressed(event)
        typed = event.kind is EventKind.MESSAGE or (event.kind is EventKind.PRESS and event.button.startswith("say:"))
        if typed and not event.attachments:
            return await self._typed(partition, event, head)
        return None

    async def finish(self, answered: Answered, event: InboundEvent) -> None:
        """After the event is in its mailbox: ring for the run, and take the question off the person's list."""
        if answered.question is None:
            return
        found = answered.question
        question = found.record
        about = {"praxos.event": question.run, "praxos.question.about": question.about, "praxos.answered_by": event.id}
        # The answer comes in a trace of its own; what waited for it goes on in the one of the run.
        with span("answer", parent=question, links=[event], started_at=question.asked_at, attributes=about):
            bell = Bell(tenant=event.tenant, conversation=found.partition.id, subject=found.id, **carried(question))
            await self._bells.ring(step=Step.RING_ANSWER, queue=TURNS, bell=bell)
        await self._open.take_off(found, user=found.record.user)

    # --- buttons ----------------------------------------------------------------------------------------------

    async def _pressed(self, event: InboundEvent) -> Answered:
        token, _, choice = event.button.removeprefix(BUTTON).partition(":")
        found = await self._open.behind(tenant=event.tenant, token=token) if _TOKEN.fullmatch(token) else None
        if found is None or not choice:
            return _say(event, words.BUTTON_GONE, reason="gone" if choice else "malformed")
        user = await self._people.recognise(event)
        if user is None or not await self._people.belongs(user=user.id, other=found.record.user):
            return _say(event, say.NOT_YOURS, reason="not_yours")
        standing = await self._people.standing(event, user=user)
        if not standing.allowed:
            return _say(event, "" if standing.silent else words.REFUSED, reason="not_allowed")
        if over := await self._over(event, user, found):
            return over
        if choice == given.EDIT and found.record.about is QuestionKind.APPROVAL:
            return _say(event, say.how_to_edit(found.record), reason="edit_how")
        value = given.by_choice(found.record, choice)
        if value is None:
            return _say(event, words.BUTTON_GONE, reason="malformed")
        return await self._settle(event, user, found, value)

    # --- words ------------------------------------------------------------------------------------------------

    async def _typed(
        self, partition: ConversationPartition, event: InboundEvent, head: ConversationRecord | None
    ) -> Answered | None:
        text = said(event).strip()
        heard = spoken.read(text)
        here = await self._open.waiting(partition, head) if head and 0 < len(text) <= spoken.LONGEST else []
        if heard is None and not here:
            return None
        user = await self._people.recognise(event)
        if user is None or not (await self._people.standing(event, user=user)).allowed:
            return None  # what is to be said to them is the turn's to say
        here = [found for found in here if await self._people.belongs(user=user.id, other=found.record.user)]
        listed = await self._open.of(user, tenant=event.tenant) if heard else []
        known = {(found.partition.id, found.id): found for found in [*listed, *here]}
        for found in known.values():
            if found.answered_by(event):
                return _confirm(event, found)
        fitting = [found for found in known.values() if found.open and _fits(found, here, heard, text)]
        if not fitting:
            return None
        if len(fitting) > 1:
            return _which(event, fitting, text)
        [found] = fitting
        if found.partition.id != partition.id and await partition.entry(event.id):
            return None  # delivered before: what is open now is another question
        return await self._give(event, user, found, heard, text)

    async def _give(
        self, event: InboundEvent, user: User, found: Found, heard: spoken.Spoken | None, text: str
    ) -> Answered:
        if over := await self._over(event, user, found):
            return over
        question = found.record
        try:
            value = self._value(question, heard, text)
        except WrongEditError as trouble:
            return _say(event, say.cannot_edit(question, str(trouble)), reason="edit_wrong")
        if value is None:
            return _say(event, say.how_to_edit(question), reason="edit_how")
        if found.partition.id != event.conversation:
            return await self._settle(event, user, found, value)
        # Words say of themselves neither what they answer nor that they were delivered before: one transaction.
        answered = self._answered(event, user, question, value)
        _note("answered", question)
        after = Found(found.partition, Stored(found.id, answered, ""))
        outgoing = [_outgoing(event, OutboundMessage(text=say.confirmation(answered)))]
        return Answered(lambda _: Settled({}, outgoing, answer=(found.stored, answered)), after)

    def _value(self, question: QuestionRecord, heard: spoken.Spoken | None, text: str) -> Value | None:
        match question.about:
            case QuestionKind.TEXT:
                return given.response(text)
            case QuestionKind.CHOICE:
                index = spoken.chosen(text, question.options)
                assert index is not None
                return given.response(question.options[index])
            case _:
                assert heard is not None
                return given.by_words(question, heard, self._tools().get(question.tool) if heard.rest else None)

    # --- settling ---------------------------------------------------------------------------------------------

    async def _settle(self, event: InboundEvent, user: User, found: Found, value: Value) -> Answered:
        """Write the answer, if nobody was faster."""
        while True:
            answered = self._answered(event, user, found.record, value)
            transaction = Transaction()
            transaction.save(found.stored, answered)
            try:
                etags = await found.partition.commit(Step.ANSWER_QUESTION, transaction)
            except Conflict:
                again = await found.again()
                if again is None:
                    return _say(event, words.BUTTON_GONE, reason="gone")
                found = again
                if over := await self._over(event, user, found):
                    return over
                continue
            _note("answered", answered)
            return _confirm(event, Found(found.partition, Stored(found.id, answered, etags[found.id])))

    def _answered(self, event: InboundEvent, user: User, question: QuestionRecord, value: Value) -> QuestionRecord:
        now = self._clock.now()
        return question.with_(
            state=QuestionState.ANSWERED,
            answer=GivenAnswer(value=value.value, words=value.words, user=user.id, event=event.id, at=now),
            wake_at=now + RUNG,
            ring=TURNS,
        )

    async def _over(self, event: InboundEvent, user: User, found: Found) -> Answered | None:
        """What somebody hears where the question takes no answer any more; None while it does."""
        question = found.record
        if found.answered_by(event):
            return _confirm(event, found)
        if found.open:
            head = await found.partition.record()
            # The run's number now, not the question's: a run that was replayed has a later one.
            stopped = head is not None and any(
                run.event == question.run and run.entry < head.record.stop_before for run in head.record.runs
            )
            return _say(event, say.CLOSED, reason="stopped") if stopped else None
        answer = question.answer
        other = await self._people.user(answer.user) if answer and answer.user not in ("", user.id) else None
        by = "You" if answer and answer.user == user.id else (other.name if other else "") or "Somebody else"
        return _say(event, say.settled(question, by=by), reason=f"already_{question.state}")


def _fits(found: Found, here: Sequence[Found], heard: spoken.Spoken | None, text: str) -> bool:
    """Whether a text can be the answer to a question. Choices and free texts are answered where they were asked."""
    question = found.record
    match question.about:
        case QuestionKind.CHOICE:
            return found in here and spoken.chosen(text, question.options) is not None
        case QuestionKind.TEXT:
            return found in here and sum(one.open for one in here) == 1
        case _:
            return heard is not None and given.fits(question, heard)


def _which(event: InboundEvent, fitting: Sequence[Found], text: str) -> Answered:
    log.info("answer", extra={"fields": {"reason": "which", "questions": len(fitting)}})
    outgoing = [_outgoing(event, OutboundMessage(text=say.WHICH_ONE))]
    for number, found in enumerate(fitting[: say.BUTTONS], 1):
        free = found.record.about is QuestionKind.TEXT
        listed = say.said_so(found.record, text) if free else say.in_list(found.record)
        outgoing.append(_outgoing(event, listed, number=number))
    return Answered(lambda _: Settled({}, outgoing))


def _confirm(event: InboundEvent, found: Found) -> Answered:
    outgoing = [_outgoing(event, OutboundMessage(text=say.confirmation(found.record)))]
    return Answered(lambda _: Settled({}, outgoing), found)


def _say(event: InboundEvent, message: OutboundMessage | str, *, reason: str) -> Answered:
    log.info("answer", extra={"fields": {"reason": reason}})
    if isinstance(message, str):
        message = OutboundMessage(text=message)
    outgoing = [_outgoing(event, message)] if message.text else []
    return Answered(lambda _: Settled({}, outgoing))


def _note(reason: str, question: QuestionRecord) -> None:
    log.info("answer", extra={"fields": {"reason": reason, "about": question.about}})


def _outgoing(event: InboundEvent, message: OutboundMessage, *, number: int = 0) -> Outgoing:
    name = f"{event.id}:answer:{number}" if number else f"{event.id}:answer"
    return Outgoing(name=name, message=message, event=event.id, notice=True, **carried(event))
