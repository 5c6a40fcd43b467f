"""Runs: what a turn could not finish goes on here. The orchestration only waits; the activity does everything else."""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime
from typing import Any

import azure.durable_functions as df

blueprint = df.Blueprint()

ORCHESTRATION = "run"
ACTIVITY = "run_step"
BELL = "bell"
"""The event that makes an orchestration look at its run. It carries nothing."""
LOOKS = 25
"""How many looks one history holds before the orchestration continues as new; it does so after each wait."""


@blueprint.function_name(ORCHESTRATION)
@blueprint.orchestration_trigger(context_name="context")
def run(context: df.DurableOrchestrationContext) -> Generator[Any, Any, None]:
    """Look, wait, and begin anew with a look: a bell that comes between the two executions is lost, and is made up for by it.

    One execution waits once. The library hands a bell that came early to every later wait, so that the second one would
    cancel a timer that nobody replaces; and a wait that a timer ended would take the bell of the next.
    """
    reference = context.get_input()
    for _ in range(LOOKS):
        following = yield context.call_activity(ACTIVITY, reference)
        if following["do"] == "end":
            return
        if following["do"] == "wait":
            timer = context.create_timer(datetime.fromisoformat(following["until"]))
            yield context.task_any([timer, context.wait_for_external_event(BELL)])
            if not timer.is_completed:
                timer.cancel()
            break
    context.continue_as_new(reference)


@blueprint.function_name(ACTIVITY)
@blueprint.activity_trigger(input_name="reference")
async def run_step(reference: str) -> dict[str, Any]:
    """Look at the run, and work on a segment where there is something to do."""
    from shared import app
    from shared.pipeline.run import Reference

    following = await app.current().runs.step(Reference.model_validate_json(reference))
    return following.model_dump(mode="json")
