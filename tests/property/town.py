"""Everything put together: people, processes, queues and what lies outside, moved on one step at a time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from shared import ids
from shared.app import App
from shared.conversation.states import DeadLetterState, RunState
from shared.messages import Bell, EventKind, InboundEvent, Transient
from shared.pipeline.dead_letter_views import letter_id
from shared.pipeline.segments import Next
from shared.pipeline.webhook import Inbound
from shared.ports import QueueMessage
from shared.settings import Settings
from shared.topology import BACKGROUND, DEAD_LETTERS, INBOUND, OUTBOUND, TURNS
from tests.fakes.channel import event
from tests.fakes.clock import ManualClock
from tests.fakes.memory_store import Shelves
from tests.property.agent import Agent, Desk
from tests.property.laws import Laws
from tests.property.outside import Outside
from tests.property.post import Instance, Letter, Post
from tests.property.processes import (
    GatedChannel,
    GatedCheckpoints,
    GatedOrchestrations,
    GatedQueue,
    GatedStore,
    How,
    Process,
    Ticket,
)
from tests.property.still_loop import StillLoop

PROCESSES = 3
STEP_SECONDS = 0.15
"""How long every call takes."""
TURN_SECONDS = 5.0
LONGEST_CLEANING_UP = 200.0
MOST_MOVES = 5_000


class Town:
    """Several processes on the same data. Nothing happens by itself."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.loop = StillLoop(self.clock)
        self.outside = Outside()
        self.laws = Laws(self.outside)
        self.shelves = Shelves(now=lambda: self.clock.at.timestamp(), look=self.laws.look)
        self.post = Post(self.clock)
        self.desk = Desk()
        given = {"PRAXOS_HOME": Path("/nowhere"), "PRAXOS_TURN_SECONDS": TURN_SECONDS, **settings}
        self.settings = Settings.model_validate(given)
        self.events: list[InboundEvent] = []
        self._names = itertools.count(1)
        self._gone: list[Process] = []
        self.processes = [self._process() for _ in range(PROCESSES)]

    def _process(self) -> Process:
        process = Process(f"p{next(self._names)}", self.loop)
        app = App(environ={}, settings=self.settings, clock=self.clock)
        agent = Agent(process, self.desk, self.outside)

        async def assistant() -> Agent:
            return agent

        given: dict[str, Any] = {
            "store": GatedStore(process, self.shelves),
            "queue": GatedQueue(process, self.post.send),
            "orchestrations": GatedOrchestrations(process, self.post.wake),
            "checkpoints": GatedCheckpoints(process, self._discard),
            "files": None,
            "tools": {},
            "assistant": assistant,
        }
        for name, part in given.items():
            setattr(app, name, part)
        channel: Any = GatedChannel(process, self.outside.take)
        app._channels["fake"] = channel
        process.app = app
        return process

    # --- people ---

    def say(self, text: str, *, chat: str, **changes: Any) -> InboundEvent:
        """Somebody writes or presses: the webhook has taken it."""
        made = event(text, n=f"e{len(self.events)}", chat=chat, received_at=self.clock.now(), **changes)
        self.events.append(made)
        self.deliver(made)
        return made

    def press(self, value: str, *, chat: str, sender: str = "ann") -> InboundEvent:
        return self.say("", chat=chat, sender=sender, kind=EventKind.PRESS, button=value)

    def deliver(self, made: InboundEvent) -> None:
        """The platform delivers an event, or delivers it again."""
        body = Inbound(event=made).model_dump_json().encode()
        self.post.send(INBOUND, QueueMessage(body=body, id=ids.fresh(), session=made.conversation))
        self._note(f"{made.id.rpartition(':')[2]} in {made.chat}: {made.text or made.button}")

    def _discard(self, threads: Sequence[str]) -> None:
        """Threads are removed: none that a run may still go on from."""
        for run in self._documents("run"):
            ended = run["state"] in (RunState.FINISHED, RunState.STOPPED)
            if not ended and run.get("checkpoint", {}).get("thread") in threads:
                self.outside.wrong.append(f"the accepted checkpoint of {run['event']} is discarded")
        self.desk.discard(threads)

    def _documents(self, kind: str) -> list[dict[str, Any]]:
        return [
            kept.body
            for partition in self.shelves.partitions
            for kept in self.shelves.partitions[partition].values()
            if kept.body.get("kind") == kind
        ]

    def questions(self) -> list[dict[str, Any]]:
        """Every question that was ever asked, the oldest first."""
        found = self._documents("question")
        return sorted(found, key=lambda body: (body["asked_at"], body["interrupt"], body["index"]))

    def tokens(self) -> list[str]:
        """What their buttons carry."""
        return [body["token"] for body in self.questions()]

    def choices(self, token: str) -> list[str]:
        """What the buttons of a question say."""
        [question] = [body for body in self.questions() if body["token"] == token]
        return {
            "approval": ["approve", "refuse"],
            "choice": [str(n) for n in range(len(question["options"]))],
            "uncertain": ["repeat", "drop", "check"],
            "revision": ["continue", "drop"],
        }[question["about"]]

    # --- operators ---

    def letters(self) -> list[str]:
        """The ids of the open dead letters."""
        return [
            letter_id(partition, id)
            for partition in self.shelves.partitions
            for id, kept in self.shelves.live(partition).items()
            if kept.body.get("kind") == "dead_letter" and kept.body["state"] == DeadLetterState.OPEN
        ]

    def replay(self, id: str, process: Process) -> None:
        """An operator wants one tried again; whether that comes about is theirs to see."""
        self._note(f"an operator replays {id[-8:]}")
        process.start(process.app.dead_letter_actions.replay(id, who="operator"), lambda task: None)
        self.loop.run_until_quiet()

    # --- what can happen next ---

    def moves(self) -> list[Ticket | tuple[Process, Letter | Instance]]:
        """The calls that can be let through, and what can be begun with."""
        running = [one for one in self.processes if not one.frozen]
        found: list[Ticket | tuple[Process, Letter | Instance]] = [
            ticket for process in running for ticket in process.gate
        ]
        if running:
            for one in self.post.ready():
                n = one.n if isinstance(one, Letter) else len(one.name)
                found.append((running[(n + one.delivery) % len(running)], one))
        return found

    def move(
        self, move: Ticket | tuple[Process, Letter | Instance], how: How = How.DONE, *, seconds: float = STEP_SECONDS
    ) -> None:
        """Let one of them happen, and whatever follows at once."""
        if isinstance(move, Ticket):
            self._note(f"  {move.process.name} {move.what}" + (f": {how}" if how is not How.DONE else ""))
            move.process.let_through(move, how)
        else:
            self._begin(*move)
        self.clock.pass_(seconds=seconds)
        self.loop.run_until_quiet()

    def take_in(self) -> None:
        """Take in what people said, at once, while everything else stands still."""
        running = [one for one in self.processes if not one.frozen]
        for one in [one for one in self.post.ready() if isinstance(one, Letter) and one.queue == INBOUND]:
            task = self._begin(running[one.n % len(running)], one)
            self.loop.run_until_quiet()
            while calls := [one for one in self.moves() if isinstance(one, Ticket) and one.task is task]:
                self.move(calls[0], seconds=0)

    def _begin(self, process: Process, one: Letter | Instance) -> asyncio.Task[Any]:
        delivery = self.post.take(one)
        process.held.append(one)
        self._note(f"  {process.name} begins with {_name(one)}")
        app = process.app
        work: Any
        if isinstance(one, Instance):
            work = app.runs.step(one.reference)
        elif one.queue == INBOUND:
            work = app.intake.receive(one.body)
        elif one.queue == DEAD_LETTERS:
            work = app.dead_letters.tell(one.body)
        else:
            stage = {TURNS: app.turns, BACKGROUND: app.background, OUTBOUND: app.deliveries}[one.queue]
            work = stage.answer(Bell.model_validate_json(one.body))
        return process.start(work, partial(self._ended, process, one, delivery))

    def _ended(self, process: Process, one: Letter | Instance, delivery: int, task: Any) -> None:
        if task.cancelled():
            return
        if one in process.held:  # else it was frozen meanwhile, and others were given it
            process.held.remove(one)
        if error := task.exception():
            self._note(f"  {process.name} raised {error!r}")
            if not isinstance(error, Transient):
                self.outside.wrong.append(f"{process.name} raised out of {_name(one)}: {error!r}")
            if one.delivery == delivery:
                self.post.give_back(one)
            return
        following: Next | None = task.result() if isinstance(one, Instance) else None
        self._note(f"  {process.name} is done with {_name(one)}" + (f": {following.do}" if following else ""))
        self.post.settle(one, delivery, following)

    # --- trouble ---

    def kill(self, process: Process, doing: int | None) -> None:
        """End a process at once. One of its calls may still reach the other side. Another process takes its place."""
        self._note(f"{process.name} is killed")
        self._last_call(process, doing)
        process.kill()
        self._give_back(process)
        for task in list(process.tasks):
            task.cancel()
        self.processes[self.processes.index(process)] = self._process()
        self._gone.append(process)
        self.loop.run_until_quiet()

    def freeze(self, process: Process) -> None:
        """A process stands still; what it worked on is delivered again."""
        self._note(f"{process.name} is frozen")
        process.frozen = True
        self._give_back(process)

    def thaw(self, process: Process) -> None:
        self._note(f"{process.name} goes on")
        process.frozen = False

    def _last_call(self, process: Process, doing: int | None) -> None:
        if doing is not None and process.gate:
            ticket = process.gate[doing % len(process.gate)]
            self._note(f"  its last call is {ticket.what}")
            process.let_through(ticket)

    def _give_back(self, process: Process) -> None:
        for one in process.held:
            self.post.give_back(one)
        process.held.clear()

    def pass_(self, seconds: float) -> None:
        """Time passes for everybody."""
        self._note(f"{seconds:g} s pass")
        self.clock.pass_(seconds=seconds)
        self.loop.run_until_quiet()

    def sweep(self) -> None:
        """The sweeper's timer."""
        process = next((one for one in self.processes if not one.frozen), None)
        if process:
            process.start(process.app.sweeper.sweep(), lambda task: None)
            self.loop.run_until_quiet()

    def ring_wrong(self, number: int, *, twice: bool) -> None:
        """A bell is lost, or comes twice."""
        bells = [one for one in self.post.letters if one.queue != INBOUND and not one.held]
        if not bells:
            return
        bell = bells[number % len(bells)]
        self._note(f"{_name(bell)} {'comes twice' if twice else 'is lost'}")
        if twice:
            self.post.send(bell.queue, QueueMessage(body=bell.body, id=ids.fresh(), enqueue_at=bell.at))
        else:
            self.post.letters.remove(bell)

    # --- the end ---

    def settle(self) -> None:
        """Everything goes on, for as long as there is something to do; time passes where nothing else can."""
        self.outside.model_is_there = True
        for process in self.processes:
            if process.frozen:
                self.thaw(process)
        for _ in range(MOST_MOVES):
            if moves := self.moves():
                self.move(moves[0])
            elif not self._on_to_the_next_time():
                return
        self.outside.wrong.append("it does not come to an end")

    def _on_to_the_next_time(self) -> bool:
        """Let time pass until something is due. False: nothing ever will be."""
        now, due = self.clock.now(), self._due()
        if due and due <= now:
            self.sweep()
            return True
        times = [(at - now).total_seconds() for at in (due, self.post.next_time()) if at]
        if self.loop.next_timer is not None:
            times.append(self.loop.next_timer)
        if not times:
            return False
        self.pass_(max(0.001, min(times)))
        return True

    def _due(self) -> datetime | None:
        times = [
            datetime.fromisoformat(kept.body["wake_at"])
            for partition in self.shelves.partitions
            for kept in self.shelves.live(partition).values()
            if kept.body.get("wake_at")
        ]
        return min(times, default=None)

    def close(self) -> None:
        """Let go of every task."""
        for process in self.processes:
            process.kill()
        while left := [task for process in (*self.processes, *self._gone) for task in process.tasks]:
            for task in left:  # each time it may wait for something else, such as a lock
                task.cancel()
            self.loop.run_until_quiet()
            self.clock.pass_(seconds=LONGEST_CLEANING_UP)
        self.loop.run_until_quiet()
        self.loop.close()

    def _note(self, what: str) -> None:
        self.laws.trace.append(f"{self.clock.at:%d %H:%M:%S} {what}")


def _name(one: Letter | Instance) -> str:
    if isinstance(one, Instance):
        return f"the run {one.reference.run.rpartition(':')[2]}"
    return f"{one.queue} {one.n}"
