"""Cron expressions in a person's time zone, also on the days when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

FIELDS = 5


class CronError(ValueError):
    """Not a cron expression, or one that never comes due. The message is for the person."""


def next_due(expression: str, *, time_zone: str, after: datetime) -> datetime:
    """The first time of a repeat strictly after an aware time, as aware UTC.

    A time of day that the clocks skip comes due right after the gap, one that they repeat comes due once, the first
    time; a repeat by the minute or by the hour (`*`) goes by the time that passes (crontab(5) of Debian).
    Raises CronError where the expression is malformed or never comes due.
    """
    start = after.astimezone(UTC)
    for due in _schedule(expression, start.astimezone(ZoneInfo(time_zone))):
        instant = due.astimezone(UTC)
        # Inside the repeated hour, the library's next local time may be of the hour's first pass, which is over.
        if instant > start:
            return instant
    raise CronError(f"The repeat {expression!r} never comes due.")


def explain(expression: str) -> str:
    """A repeat in English words, such as `At 09:00 on Monday`. Raises CronError."""
    return _schedule(expression, datetime(2000, 1, 1, tzinfo=UTC)).explain()


def _schedule(expression: str, start: datetime) -> CronSim:
    if len(expression.split()) != FIELDS:
        raise CronError(
            f"The repeat {expression[:60]!r} is not a cron expression of five fields:"
            " minute, hour, day of month, month, day of week. `0 9 * * 1-5` is 9:00 on weekdays."
        )
    try:
        return CronSim(expression, start)
    except (CronSimError, ValueError) as error:
        raise CronError(f"The repeat {expression[:60]!r} cannot be read as a cron expression: {error}.") from None
