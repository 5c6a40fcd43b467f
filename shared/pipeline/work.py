"""What the holder of a conversation's lease works on: a run and the entry that it began with, as they were last written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.agent.turn import Cost, Pointer
from shared.conversation.lease import Hold
from shared.conversation.partition import Stored, Transaction
from shared.conversation.records import KEEP_FINISHED, ConversationRecord, Entry, OpenRun
from shared.conversation.run_records import Checkpoint, PastSegment, Run, RunOwner, SegmentEnd
from shared.conversation.states import OPEN_ENTRIES, EntryState
from shared.messages import said
from shared.steps import Step

MOST_TAKEN = 50
"""How many of the messages that it took in a run remembers, for the history."""
MOST_LATELY = 10
"""How many of its last steps a run remembers in words."""
MOST_PAST = 50
"""How many of its segments a run remembers, for whoever wants to see what happened."""
_SHORT = 80

ConversationHold = Hold[ConversationRecord]
Change = Callable[[ConversationRecord, Transaction], Awaitable[ConversationRecord]]


@dataclass(slots=True)
class Work:
    """A run under a lease. `write` is the only way to change the run, its entry, and what it took in."""

    hold: ConversationHold
    entry: Stored[Entry]
    run: Stored[Run]
    taken: list[Stored[Entry]] = field(default_factory=list)
    """Entries that came in while it worked and that the agent has seen. They are consumed with the next checkpoint that
    is accepted, or with the end."""
    retold: bool = False
    """True once the agent has been told again what the run's last try had taken in."""
    lately: list[str] = field(default_factory=list)
    """What this segment has done so far, in words."""

    @property
    def durable(self) -> bool:
        """True once an orchestration goes on with the run."""
        return self.run.record.owner is RunOwner.DURABLE

    async def write(
        self,
        step: Step,
        change: Change,
        *,
        run: Callable[[Run], Run],
        entry: Callable[[Entry], Entry] | None = None,
        taken: EntryState | None = None,
    ) -> ConversationRecord:
        """One transaction under the lease: the run, the entry where it changes, and what was taken in, if it ends so.

        `change` adds the rest and returns the head; the head that it is given counts the entries that end here already.
        Calls of tools that write side by side, so what they change is looked at when their turn has come.
        """
        new_run, new_entry, ended = self.run.record, self.entry.record, list[Stored[Entry]]()

        async def all_of_it(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            nonlocal new_run, new_entry, ended
            new_run, ended = run(self.run.record), list(self.taken) if taken else []
            if ended:
                new_run = new_run.with_(taken=with_events(new_run.taken, ended))
            transaction.save(self.run, new_run)
            numbers = [one.record.n for one in ended]
            for one in ended:
                over = one.record.with_(state=taken, until=None, ended_at=self.hold.now(), ttl=KEEP_FINISHED)
                transaction.save(one, over)
            if entry is not None:
                new_entry = entry(self.entry.record)
                if self.entry.record.state in OPEN_ENTRIES and new_entry.state not in OPEN_ENTRIES:
                    new_entry = new_entry.with_(ended_at=self.hold.now())
                    numbers.append(new_entry.n)
                transaction.save(self.entry, new_entry)
            own = new_entry if entry is not None else self.entry.record
            below = own.n if own.state in OPEN_ENTRIES else None
            return await change(_counted(record, numbers, below=below), transaction)

        def written() -> None:
            etags = self.hold.written
            self.run = Stored(self.run.id, new_run, etags[self.run.id])
            if entry is not None:
                self.entry = Stored(self.entry.id, new_entry, etags[self.entry.id])
            del self.taken[: len(ended)]

        return await self.hold.write(step, all_of_it, then=written)

    def open_run(self, *, waiting: bool, asks: tuple[str, ...] = (), question: str = "") -> OpenRun:
        """The run as the conversation's head knows it."""
        run = self.run.record
        return OpenRun(
            event=run.event,
            entry=self.entry.record.n,
            since=run.started_at,
            about=in_short(said(self.entry.record.event)),
            waiting=waiting,
            asks=asks,
            question=in_short(question),
        )


def in_short(text: str) -> str:
    """A text's beginning, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHORT else line[: _SHORT - 1] + "…"


def _counted(record: ConversationRecord, numbers: list[int], *, below: int | None) -> ConversationRecord:
    """The head with so many entries less: those that end are the lowest open ones, apart from the run's own (`below`)."""
    if not numbers:
        return record
    waiting = max(0, record.waiting - len(numbers))
    settled = record.entries if not waiting else max(record.settled, *numbers)
    if below is not None:
        settled = max(record.settled, min(settled, below - 1))
    return record.with_(waiting=waiting, settled=settled)


def with_open_run(record: ConversationRecord, run: OpenRun | None, *, event: str) -> ConversationRecord:
    """The head with the open run of an event put in, replaced, or (None) taken out."""
    others = tuple(one for one in record.runs if one.event != event)
    runs = others if run is None else tuple(sorted((*others, run), key=lambda one: one.entry))
    return record if runs == record.runs else record.with_(runs=runs)


def with_events(before: Sequence[str], taken: Sequence[Stored[Entry]]) -> tuple[str, ...]:
    """The events that a run remembers, with those of what it has taken in since."""
    return (*before, *(one.record.event.id for one in taken))[-MOST_TAKEN:]


def accepted(run: Run, pointer: Pointer | None, *, revision: str, user: str, retold: bool) -> Run:
    """The run with a new accepted checkpoint; the thread of the old one is not needed any more.

    `retold`: the agent, and so the checkpoint, knows of what the run's last try had taken in.
    """
    if pointer is None:
        return run
    old = (run.checkpoint.thread,) if run.checkpoint else ()
    return run.with_(
        checkpoint=Checkpoint(thread=pointer.thread, id=pointer.checkpoint),
        superseded=(*run.superseded, *old),
        revision=revision,
        user=user,
        unheard=() if retold else run.unheard,
        starts=0,
    )


def begun(run: Run, now: datetime) -> Run:
    """The run with a segment begun. One that was begun before and never ended was lost."""
    return ended(run, SegmentEnd.LOST, None).with_(begun_at=now)


def ended(run: Run, end: SegmentEnd, now: datetime | None) -> Run:
    """The run with its segment ended, if it has one that was begun."""
    if run.begun_at is None:
        return run
    number = run.past[-1].n + 1 if run.past else 1
    over = PastSegment(n=number, started_at=run.begun_at, ended_at=now, end=end)
    return run.with_(past=(*run.past, over)[-MOST_PAST:], begun_at=None)


def spent(run: Run, cost: Cost, *, seconds: float, lately: Sequence[str]) -> Run:
    """The run with the cost of a segment added."""
    return run.with_(
        segments=run.segments + 1,
        worked_seconds=run.worked_seconds + seconds,
        model=cost.model or run.model,
        model_calls=run.model_calls + cost.model_calls,
        tool_calls=run.tool_calls + cost.tool_calls,
        input_tokens=run.input_tokens + cost.input_tokens,
        output_tokens=run.output_tokens + cost.output_tokens,
        lately=(*run.lately, *lately)[-MOST_LATELY:],
    )
