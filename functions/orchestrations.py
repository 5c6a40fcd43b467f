"""Wakes orchestrations through the client that Durable Functions hands an invocation."""

from __future__ import annotations

import azure.durable_functions as df

from functions.runs import BELL, ORCHESTRATION
from shared.messages import QueueUnavailable

TRIES = 3
"""An instance may end, or be started by somebody else, between two requests."""
_NOT_THERE = ("No instance with ID", "is gone: either completed or failed")
"""The client's own words for 404 and 410: it raises plain exceptions."""


class DurableOrchestrations:
    """Implements `shared.ports.Orchestrations`."""

    def __init__(self, client: df.DurableOrchestrationClient) -> None:
        self._client = client

    async def wake(self, *, instance: str, reference: str) -> None:
        """Ring the instance, or start it where it is not there or has ended although its run has not."""
        trouble: Exception | None = None
        for _ in range(TRIES):
            try:
                await self._client.raise_event(instance, BELL, None)
            except Exception as error:  # noqa: BLE001  the client raises nothing more telling
                trouble = error
                if not any(words in str(error) for words in _NOT_THERE):
                    continue
            else:
                return
            try:
                await self._client.start_new(ORCHESTRATION, instance_id=instance, client_input=reference)
            except Exception as error:  # noqa: BLE001  as above
                trouble = error
            else:
                return
        raise QueueUnavailable(f"orchestration {instance!r} was not woken: {type(trouble).__name__}") from trouble
