"""The time, here and elsewhere, and the person's own zone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from shared import zones
from shared.ports import Effect, Parts, Tool, ToolContext, ToolError, ToolResult

_ZONE = "An IANA name such as Europe/Berlin, or a city such as Tokyo or New York."


class WhichTime(BaseModel):
    """Where to say the time of."""

    time_zone: str | None = Field(None, max_length=100, description=f"{_ZONE} Leave it out for the person's own zone.")


class Conversion(BaseModel):
    """A time in one zone, wanted in another."""

    time: str = Field(max_length=60, description="A time of day such as 15:00 (meaning today), or 2026-03-29T15:00.")
    from_zone: str = Field(max_length=100, description=f"The zone that the time is in. {_ZONE}")
    to_zone: str = Field(max_length=100, description=f"The zone that it is wanted in. {_ZONE}")


class Zone(BaseModel):
    """The person's zone."""

    time_zone: str = Field(max_length=100, description=_ZONE)


async def _find(name: str) -> ZoneInfo:
    try:
        return await asyncio.to_thread(zones.find, name)  # the first call reads the list from disk
    except zones.ZoneError as error:
        raise ToolError(str(error)) from None


class CurrentTime:
    """Says what time it is."""

    name = "current_time"
    description = "Tell the current date and time, in the person's own time zone or in another."
    arguments: type[BaseModel] = WhichTime
    effect = Effect.READ
    progress = "Looking at the clock"

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Say the time."""
        assert isinstance(arguments, WhichTime)
        local = context.now.astimezone(await _find(arguments.time_zone or context.time_zone))
        return ToolResult(f"It is {zones.spoken(local)} in {zones.label(local)}.")


class ConvertTime:
    """Converts a time from one zone into another."""

    name = "convert_time"
    description = "Convert a time from one time zone into another, with summer time taken into account."
    arguments: type[BaseModel] = Conversion
    effect = Effect.READ
    progress = "Converting a time"

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Convert."""
        assert isinstance(arguments, Conversion)
        source, target = await _find(arguments.from_zone), await _find(arguments.to_zone)
        try:
            asked = zones.parse(arguments.time)
        except zones.TimeError as error:
            raise ToolError(str(error)) from None
        if isinstance(asked, time):
            asked = datetime.combine(context.now.astimezone(asked.tzinfo or source).date(), asked)
        moment = zones.Moment(asked.astimezone(UTC)) if asked.tzinfo else zones.resolve(asked, source)
        here, there = moment.at.astimezone(source), moment.at.astimezone(target)
        said = f"{zones.spoken(here)} in {zones.label(here)} is {zones.spoken(there)} in {zones.label(there)}."
        return ToolResult(f"{said} {moment.note}".rstrip())


class SetTimeZone:
    """Keeps the person's zone."""

    name = "set_time_zone"
    description = "Set the person's own time zone, when they say where they are or which zone they want."
    arguments: type[BaseModel] = Zone
    effect = Effect.WRITE
    progress = "Setting your time zone"
    repeatable = True

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Keep it."""
        assert isinstance(arguments, Zone)
        zone = await _find(arguments.time_zone)
        await context.preferences.set_time_zone(name=zone.key)
        local = context.now.astimezone(zone)
        return ToolResult(f"The person's time zone is now {zones.label(local)}; there it is {zones.spoken(local)}.")


def build(_: Parts) -> Sequence[Tool]:
    """What needs a clock and a list of zones."""
    return [CurrentTime(), ConvertTime(), SetTimeZone()]
