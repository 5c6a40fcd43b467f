"""A circuit breaker: a model that keeps failing is left alone for a while, then tried by one call."""

from __future__ import annotations

from dataclasses import dataclass

from shared.ports import Clock

FAILURES = 3
"""How many failures in a row open the circuit."""
COOL_DOWN = 30.0
"""Seconds for which an open circuit keeps calls away."""
LONGEST_PAUSE = 300.0
"""Seconds: the longest that a service's own Retry-After is believed."""


@dataclass(slots=True)
class Breaker:
    """Closed at first; open after failures in a row, or for as long as the service asked; half open for one probe."""

    clock: Clock
    failures: int = 0
    open_until: float = 0.0
    probing: bool = False

    def admit(self) -> bool:
        """True when a call may go through now. Whoever is admitted must call `succeeded`, `failed` or `gave_up`."""
        if not self.open_until:
            return True
        if self.probing or self.clock.monotonic() < self.open_until:
            return False
        self.probing = True
        return True

    def succeeded(self) -> None:
        """Close the circuit."""
        self.failures, self.open_until, self.probing = 0, 0.0, False

    def failed(self, *, retry_after: float | None = None) -> None:
        """Count a failure; `retry_after` is what the service asked for, in seconds."""
        self.failures += 1
        self.probing = False
        pause = min(retry_after or 0.0, LONGEST_PAUSE)
        if self.failures >= FAILURES:
            pause = max(pause, COOL_DOWN)
        if pause:
            self.open_until = self.clock.monotonic() + pause

    def gave_up(self) -> None:
        """The call ended without saying anything about the service, such as by cancellation."""
        self.probing = False

    def wait(self) -> float:
        """Seconds until a call would be admitted."""
        return max(0.0, self.open_until - self.clock.monotonic())
