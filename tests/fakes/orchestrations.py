"""Orchestrations without an engine: they look at their runs when they are woken, and when their time has come."""

from __future__ import annotations

from datetime import datetime

from shared.pipeline.run import Reference, Runs
from shared.pipeline.segments import Do, Next


class FakeOrchestrations:
    """Implements the Orchestrations port as Durable Functions would, one instance after the other."""

    def __init__(self) -> None:
        self.references: dict[str, Reference] = {}
        self.waits: dict[str, datetime] = {}
        self.woken: list[str] = []
        self.started: list[str] = []

    async def wake(self, *, instance: str, reference: str) -> None:
        if instance not in self.references:
            self.references[instance] = Reference.model_validate_json(reference)
            self.started.append(instance)
        if instance not in self.woken:
            self.woken.append(instance)

    def pass_(self, now: datetime) -> None:
        """Wake what has waited for long enough."""
        for instance, until in list(self.waits.items()):
            if until <= now and instance not in self.woken:
                self.woken.append(instance)

    async def look(self, runs: Runs) -> Next | None:
        """Let the next woken instance look at its run once. None: nobody is awake."""
        if not self.woken:
            return None
        instance = self.woken.pop(0)
        self.waits.pop(instance, None)
        following = await runs.step(self.references[instance])
        if following.do is Do.END:
            del self.references[instance]
        elif following.do is Do.AGAIN:
            self.woken.append(instance)
        elif following.until:
            self.waits[instance] = following.until
        return following
