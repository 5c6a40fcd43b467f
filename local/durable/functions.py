"""The orchestrator and activity functions of the app, called as the worker calls them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from azure.durable_functions.models.utils.df_serialization import df_dumps, df_loads
from azure.functions import OrchestrationContext

from local.durable import events
from local.durable.episodes import Call
from local.durable.events import Event
from local.durable.limits import check_payload
from local.durable.records import Activity
from local.indexing import ActivityFunction, Function, OrchestratorFunction
from local.invocations import Invocations
from shared import telemetry

_log = telemetry.logger("local.durable")


class DurableFunctions:
    """By name, as orchestrations and clients know them."""

    def __init__(self, functions: Sequence[Function], invocations: Invocations) -> None:
        self._invocations = invocations
        self._orchestrators = _by_name(each for each in functions if isinstance(each, OrchestratorFunction))
        self._activities = _by_name(each for each in functions if isinstance(each, ActivityFunction))

    @property
    def any(self) -> bool:
        """Whether there is something to run."""
        return bool(self._orchestrators or self._activities)

    @property
    def activities(self) -> frozenset[str]:
        """The names of the activities."""
        return frozenset(self._activities)

    def orchestrator(self, name: str) -> Call | None:
        """What runs an orchestrator, or None where the app has none of that name."""
        function = self._orchestrators.get(name)
        if function is None:
            return None

        async def call(context: str) -> str:
            given = OrchestrationContext(context)
            text: str = await self._invocations.run(function, given, interactive=False)
            return text

        return call

    async def run_activity(self, activity: Activity, *, now: Callable[[], float]) -> Event:
        """Run an activity; return the event that its instance gets. `now` says the time."""
        number = activity.scheduled
        try:
            function = self._activities[activity.name]
            given = _argument(activity.input)
            result = df_dumps(await self._invocations.run(function, given, interactive=False))
            check_payload(f"the result of activity {activity.name}", result)
        except Exception as error:  # noqa: BLE001  whatever an activity raises, its orchestration gets to know
            _log.exception("activity %s failed", activity.name, extra={"fields": {"instance": activity.instance}})
            said = f"{type(error).__name__}: {error}"
            reason = f"Activity function '{activity.name}' failed:  {said}"
            return events.task_failed(now(), number=number, reason=reason, details=said)
        return events.task_completed(now(), number=number, result=result)


def quiet_library() -> None:
    """Ignore what the library warns of: events before somebody waits for them, and payloads without a type."""
    warnings.filterwarnings("ignore", message="Potential duplicate Task completion", category=UserWarning)
    warnings.filterwarnings("ignore", message=r"azure\.functions ", category=DeprecationWarning)


def _by_name(functions: Iterable[Any]) -> dict[str, Any]:
    return {function.known_as: function for function in functions}


def _argument(payload: str | None) -> Any:
    """An activity's argument: what is no JSON is a text (`ActivityTriggerConverter`)."""
    value = json.loads(payload) if payload is not None else None
    if not isinstance(value, str):
        return value
    try:
        return df_loads(value)
    except json.JSONDecodeError:
        return value
