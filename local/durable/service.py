"""Durable Functions in one process: the clients of its functions, and the engine where it has orchestrations."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from local.durable.binding import client_binding
from local.durable.engine import DurableEngine
from local.durable.functions import DurableFunctions
from local.durable.management import Management
from local.durable.opening import open_storage
from local.durable.server import ManagementServer
from local.host_json import DurableTaskOptions
from local.indexing import Function
from local.invocations import Invocations
from shared.ports import Clock
from shared.settings import Settings

_CLOSE_SECONDS = 1.0


class DurableService:
    """Made only where a function needs it."""

    def __init__(
        self,
        *,
        functions: Sequence[Function],
        invocations: Invocations,
        settings: Settings,
        options: DurableTaskOptions,
        clock: Clock,
    ) -> None:
        """Open the file. Raises SettingError where that cannot be."""
        self._storage = open_storage(settings, clock)
        self._engine: DurableEngine | None = None
        self._server: ManagementServer | None = None
        durable = DurableFunctions(functions, invocations)
        if durable.any:
            self._engine = DurableEngine(
                storage=self._storage,
                functions=durable,
                concurrent_orchestrators=options.max_concurrent_orchestrator_functions,
                concurrent_activities=options.max_concurrent_activity_functions,
            )
        if any(function.client for function in functions):
            key = secrets.token_urlsafe(32)
            self._server = ManagementServer(key=key)
            invocations.durable_client = client_binding(self._server.port, hub=options.hub_name, key=key)

    async def connect(self) -> None:
        """Serve the clients of this process, before a function may use one."""
        if self._server:
            await self._server.start(Management(self._storage))

    def start(self) -> None:
        """Begin to run orchestrations, if the process has any."""
        if self._engine:
            self._engine.start()

    async def stop(self, *, seconds: float) -> None:
        """Run nothing more; let what runs finish for so many seconds. Clients work until `close`."""
        if self._engine:
            await self._engine.stop(seconds=seconds)

    async def close(self) -> None:
        """End the clients too."""
        if self._server:
            # The library keeps one session for the whole process, and closes it nowhere.
            from azure.durable_functions.models.utils import http_utils

            await http_utils._close_session()
            await self._server.stop(seconds=_CLOSE_SECONDS)
        await self._storage.close()
