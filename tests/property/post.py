"""The queues and the orchestrations, as every process sees them: they survive all processes, and keep few promises."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from shared.pipeline.run import Reference
from shared.pipeline.segments import Do, Next
from shared.ports import Clock, QueueMessage
from shared.topology import INBOUND


@dataclass(slots=True)
class Letter:
    """A message in a queue. A process that works on it holds it, until it is done, killed or frozen."""

    n: int
    queue: str
    body: bytes
    session: str
    at: datetime | None
    held: bool = False
    delivery: int = 0
    """Counts deliveries: who holds an older one can settle nothing."""


@dataclass(slots=True)
class Instance:
    """An orchestration: it looks at its run when it is woken, and when its time has come."""

    name: str
    reference: Reference
    woken: bool = True
    until: datetime | None = None
    held: bool = False
    delivery: int = 0


@dataclass
class Post:
    """All queues and all orchestrations."""

    clock: Clock
    letters: list[Letter] = field(default_factory=list)
    instances: dict[str, Instance] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def send(self, queue: str, message: QueueMessage) -> None:
        """Put a message into a queue."""
        self.letters.append(Letter(next(self._numbers), queue, message.body, message.session, message.enqueue_at))

    def wake(self, name: str, reference: str) -> None:
        """Start an orchestration, or wake the one that is there."""
        found = self.instances.get(name)
        if found is None:
            self.instances[name] = Instance(name, Reference.model_validate_json(reference))
        else:
            found.woken = True

    def ready(self) -> list[Letter | Instance]:
        """What a process could begin with now: of a session only the first message, and never two at a time."""
        now, sessions = self.clock.now(), set[str]()
        found: list[Letter | Instance] = []
        for letter in self.letters:
            if letter.queue == INBOUND:
                if letter.session in sessions:
                    continue
                sessions.add(letter.session)
            if not letter.held and (letter.at is None or letter.at <= now):
                found.append(letter)
        found += [
            one
            for one in self.instances.values()
            if not one.held and (one.woken or (one.until is not None and one.until <= now))
        ]
        return found

    def take(self, one: Letter | Instance) -> int:
        """Begin with something; return the number of the delivery, with which it is settled."""
        one.held = True
        one.delivery += 1
        if isinstance(one, Instance):
            one.woken, one.until = False, None
        return one.delivery

    def give_back(self, one: Letter | Instance) -> None:
        """Whoever worked on it is gone: it is delivered again."""
        one.held = False
        one.delivery += 1
        if isinstance(one, Instance):
            one.woken = True

    def settle(self, one: Letter | Instance, delivery: int, following: Next | None) -> None:
        """It is done, if this delivery is still the last."""
        if one.delivery != delivery:
            return
        one.held = False
        if isinstance(one, Letter):
            self.letters.remove(one)
        elif following is None or following.do is Do.AGAIN:
            one.woken = True
        elif following.do is Do.END:
            del self.instances[one.name]
        elif not one.woken:
            one.until = following.until

    def next_time(self) -> datetime | None:
        """When something that waits can be begun with."""
        times = [one.at for one in self.letters if one.at and not one.held]
        times += [one.until for one in self.instances.values() if one.until and not one.held]
        return min(times, default=None)
