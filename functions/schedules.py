"""Schedules: reminders that are due, and the sweeper that mends lost bells."""

from __future__ import annotations

import azure.functions as func

from shared import app

blueprint = func.Blueprint()


@blueprint.function_name("schedules")
@blueprint.timer_trigger(arg_name="timer", schedule="%PRAXOS_REMINDERS_EVERY%", use_monitor=False)
async def schedules(timer: func.TimerRequest) -> None:
    """Fire the reminders that are due."""
    await app.current().schedules.fire()


@blueprint.function_name("sweeper")
@blueprint.timer_trigger(arg_name="timer", schedule="%PRAXOS_SWEEP_EVERY%", use_monitor=False)
async def sweeper(timer: func.TimerRequest) -> None:
    """Ring for whatever is overdue."""
    await app.current().sweeper.sweep()
