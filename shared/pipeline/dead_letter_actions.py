"""What operators do with dead letters: list, look, replay, discard. Each action is recorded with who and when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import ValidationError

from shared import ids
from shared.conversation.dead_letter_records import About, Action, DeadLetter, Failure
from shared.conversation.lease import RACES
from shared.conversation.mailbox import Replay
from shared.conversation.partition import ConversationPartition, Stored, Transaction
from shared.conversation.records import KEEP_FINISHED
from shared.conversation.states import DeadLetterState
from shared.messages import (
    Bell,
    Conflict,
    EventKind,
    InboundEvent,
    MovedOn,
    NotThere,
    Permanent,
    QueueUnavailable,
    Transient,
    Unreadable,
)
from shared.pipeline import dead_letter_subjects as subjects
from shared.pipeline.bells import Bells
from shared.pipeline.closing import discard_threads
from shared.pipeline.dead_letter_views import Details, Listing, Summary, details, place_of, summary
from shared.pipeline.dead_letters import KEPT
from shared.pipeline.intake import Intake
from shared.pipeline.rooms import Rooms
from shared.ports import Checkpoints, Clock, Partition, Store
from shared.settings import Settings
from shared.steps import Step
from shared.telemetry import carried, logger
from shared.topology import INBOUND, QUEUES

log = logger(__name__)

REPLAY = "replay"
DISCARD = "discard"

Add = Callable[[Stored[DeadLetter], Transaction], Awaitable[str | None]]
"""Adds the writes that go with closing a letter; returns the queue that has to be rung for them."""


@dataclass(frozen=True, slots=True)
class Case:
    """A dead letter that somebody wants to deal with."""

    partition: ConversationPartition
    id: str
    who: str = ""
    note: str = ""

    async def letter(self) -> Stored[DeadLetter]:
        """The letter as it is now. Raises NotThere."""
        found = await self.partition.store.read(partition=self.partition.key, id=self.id)
        if found is None or found.body.get("kind") != DeadLetter.model_fields["kind"].default:
            raise NotThere("There is no such dead letter, or no longer.")
        return Stored(found.id, DeadLetter.model_validate(found.body), found.etag)

    async def open(self) -> Stored[DeadLetter]:
        """The letter, if nobody has dealt with it. Raises MovedOn where somebody has, and says who."""
        letter = await self.letter()
        if letter.record.state is not DeadLetterState.OPEN:
            last = letter.record.actions[-1]
            raise MovedOn(f"It was {letter.record.state} already: by {last.who}, at {last.at:%Y-%m-%d %H:%M:%S} UTC.")
        return letter


class DeadLetterActions:
    """The operator's side of dead letters, for the command line and for HTTP alike."""

    def __init__(
        self,
        *,
        store: Store,
        rooms: Rooms,
        intake: Callable[[], Intake],
        checkpoints: Callable[[], Checkpoints],
        bells: Bells,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._store = store
        self._rooms = rooms
        self._intake = intake
        self._checkpoints = checkpoints
        self._bells = bells
        self._clock = clock
        self._tenant = settings.tenant

    async def list(self, *, conversation: str = "", limit: int = 50, continuation: str = "") -> Listing:
        """A page of the open ones, the newest first; of one conversation: its newest, also those that are closed."""
        if conversation:
            partition = Partition(self._tenant, ids.partition(conversation))
            kind = DeadLetter.model_fields["kind"].default
            found = tuple(await self._store.query(partition=partition, kind=kind, descending=True, limit=limit))
            continuation = ""
        else:
            try:
                page = await self._store.dead_letters(tenant=self._tenant, limit=limit, continuation=continuation)
            except ValueError:
                raise NotThere(f"There is no page {continuation!r} of the list.") from None
            found, continuation = page.documents, page.continuation
        letters = [summary(each.partition, each.id, DeadLetter.model_validate(each.body)) for each in found]
        return Listing(letters=tuple(letters), continuation=continuation)

    async def show(self, id: str) -> Details:
        """Everything about one, whatever its state. Raises NotThere."""
        case = self._case(id)
        letter = (await case.letter()).record
        return details(case.partition.key, case.id, letter, await subjects.concerned(case.partition, letter))

    async def replay(self, id: str, *, who: str, note: str = "") -> Summary:
        """Try again what it is about. It is open again, with both reasons, where that fails at once.

        Raises NotThere, or MovedOn where somebody was faster or there is nothing to replay any more.
        """
        case = self._case(id, who, note)
        letter = await case.open()
        match letter.record.about:
            case About.EVENT | About.MESSAGE:
                await self._take_in(case, letter)
            case _:
                await self._close(case, DeadLetterState.REPLAYED, self._make_pending(case))
        return await self._done(case, REPLAY)

    async def discard(self, id: str, *, who: str, note: str = "") -> Summary:
        """Put it aside for good. Raises NotThere, or MovedOn where somebody was faster."""
        case = self._case(id, who, note)

        async def add(letter: Stored[DeadLetter], transaction: Transaction) -> None:
            await subjects.put_aside(case.partition, letter, transaction)

        await self._close(case, DeadLetterState.DISCARDED, add)
        if run := await subjects.run_of(case.partition, (await case.letter()).record):
            await discard_threads(self._checkpoints(), run)
        return await self._done(case, DISCARD)

    def _case(self, id: str, who: str = "", note: str = "") -> Case:
        place = place_of(id.strip())
        if place is None or place[0].tenant != self._tenant:
            raise NotThere("That is not the id of a dead letter of this deployment.")
        partition, document = place
        return Case(self._rooms.partition(tenant=partition.tenant, conversation=partition.key), document, who, note)

    async def _done(self, case: Case, what: str) -> Summary:
        letter = (await case.letter()).record
        shown = {"did": what, "dead_letter": case.id, "about": letter.about, "state": letter.state, "who": case.who}
        log.info("dead letter dealt with", extra={"fields": shown})
        return summary(case.partition.key, case.id, letter)

    # --- what lies in the letter's own partition ---

    def _make_pending(self, case: Case) -> Add:
        async def add(letter: Stored[DeadLetter], transaction: Transaction) -> str | None:
            return await subjects.make_pending(case.partition, letter, transaction, self._clock.now())

        return add

    async def _close(self, case: Case, state: DeadLetterState, add: Add) -> None:
        """Close the letter and do what goes with it, in one transaction; then ring."""
        step = Step.DISCARD if state is DeadLetterState.DISCARDED else Step.REPLAY
        for _ in range(RACES):
            letter = await case.open()
            transaction = Transaction()
            queue = await add(letter, transaction)
            transaction.save(letter, self._closed(case, letter.record, state))
            try:
                await case.partition.commit(step, transaction)
            except Conflict:
                # Another operator, or only the conversation that went on meanwhile.
                continue
            if queue:
                await self._ring(case, queue, letter.record)
            return
        raise RuntimeError(f"{step}: lost {RACES} races on {case.partition.id!r}")

    def _closed(self, case: Case, letter: DeadLetter, state: DeadLetterState) -> DeadLetter:
        what = DISCARD if state is DeadLetterState.DISCARDED else REPLAY
        actions = (*letter.actions, self._action(case, what))[-KEPT:]
        return letter.with_(state=state, actions=actions, wake_at=None, ring=None, ttl=KEEP_FINISHED)

    def _action(self, case: Case, what: str) -> Action:
        return Action(at=self._clock.now(), who=case.who, what=what, note=case.note)

    async def _ring(self, case: Case, queue: str, letter: DeadLetter) -> None:
        bell = Bell(tenant=case.partition.tenant, conversation=case.partition.id, **carried(letter))
        try:
            await self._bells.ring(step=Step.RING_REPLAY, queue=queue, bell=bell)
        except QueueUnavailable as error:
            # The truth is written; its `wake_at` makes the sweeper ring instead.
            log.warning("not rung", extra={"fields": {"queue": queue, "error": str(error)}})

    # --- what has to be taken in once more ---

    async def _take_in(self, case: Case, letter: Stored[DeadLetter]) -> None:
        """Let intake have it again. Where that fails, the letter stays open and keeps every reason."""
        try:
            if letter.record.event:
                await self._enter(letter.record.event, self._replay(case, letter.record))
            else:
                await self._handle(letter.record.queue, letter.record.body.encode())
        except (Transient, MovedOn):
            raise
        except (Permanent, Unreadable) as trouble:
            await self._failed_again(case, reason=str(trouble))
            return
        except Exception as bug:
            log.exception("a dead letter could not be replayed")
            await self._failed_again(case, reason=f"{type(bug).__name__} in a replay")
            return
        if (await case.letter()).record.state is DeadLetterState.OPEN:
            # It was in its mailbox before, or lies in another partition: then the letter is closed by itself.
            await self._close(case, DeadLetterState.REPLAYED, _nothing_more)

    def _replay(self, case: Case, letter: DeadLetter) -> Replay:
        async def close(transaction: Transaction) -> None:
            found = await case.open()
            transaction.save(found, self._closed(case, found.record, DeadLetterState.REPLAYED))

        return Replay(letter=case.id, failed=letter.told_at is not None, close=close)

    async def _enter(self, event: InboundEvent, replay: Replay | None) -> None:
        if event.kind is EventKind.UNREADABLE:
            raise Unreadable(event.reason or "the event could not be understood")
        try:
            await self._intake().enter(event, replay=replay)
        except QueueUnavailable as error:
            # It is in its mailbox; its `wake_at` makes the sweeper ring instead.
            log.warning("not rung", extra={"fields": {"error": str(error)}})

    async def _handle(self, queue: str, body: bytes) -> None:
        """Try a message as what its queue carries: an event, or a bell."""
        if queue not in QUEUES:
            raise Unreadable(f"there is no queue {queue!r} any more")
        if queue == INBOUND:
            await self._enter(await self._intake().read(body), None)
            return
        try:
            bell = Bell.model_validate_json(body)
        except ValidationError:
            raise Unreadable("not a bell") from None
        await self._bells.ring(step=Step.RING_REPLAY, queue=queue, bell=bell)

    async def _failed_again(self, case: Case, *, reason: str) -> None:
        for _ in range(RACES):
            letter = await case.open()
            now = self._clock.now()
            changed = letter.record.with_(
                n=int(now.timestamp() * 1000),
                at=now,
                reason=reason,
                earlier=(*letter.record.earlier, Failure(at=letter.record.at, reason=letter.record.reason))[-KEPT:],
                actions=(*letter.record.actions, self._action(case, REPLAY))[-KEPT:],
            )
            transaction = Transaction()
            transaction.save(letter, changed)
            try:
                await case.partition.commit(Step.REPLAY, transaction)
            except Conflict:
                continue
            return
        raise RuntimeError(f"{Step.REPLAY}: lost {RACES} races on {case.partition.id!r}")


async def _nothing_more(*_: object) -> None:
    """Only the letter is closed."""
