"""The embedded host: drives the functions of one process from HTTP, queues and timers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from local.host_json import HostJson
from local.indexing import Function, HttpFunction, QueueFunction, TimerFunction, uses_durable
from local.invocations import Invocations
from shared.messages import SettingError
from shared.ports import Broker, Clock
from shared.settings import Settings
from shared.topology import BACKGROUND, QUEUES

if TYPE_CHECKING:
    from local.durable.service import DurableService

DRAIN_SECONDS = 10.0
"""How long a host that stops lets invocations finish; what is cut off then is redelivered."""
HEAD_START_SECONDS = 0.01
"""Whoever called while the host was loading is answered before the rest is loaded and started."""
FORM_BYTES = 1024 * 1024
"""What a request may hold beside the largest file."""


class _Pump(Protocol):
    def start(self) -> None: ...

    async def stop(self, *, seconds: float) -> None: ...


class Host:
    """Made from its parts, so that a test runs it over any function app."""

    def __init__(
        self,
        *,
        functions: Sequence[Function],
        broker: Broker,
        settings: Settings,
        host_json: HostJson,
        clock: Clock,
        host_key: Callable[[], Awaitable[str]],
    ) -> None:
        self._functions = functions
        self._broker = broker
        self._settings = settings
        self._host_json = host_json
        self._clock = clock
        self._host_key = host_key
        self._invocations = Invocations(function_timeout=host_json.function_timeout)
        self._stops: list[Callable[..., Awaitable[None]]] = []
        self._ends: list[Callable[[], Awaitable[None]]] = []
        self._early: list[DurableService] = []

    @property
    def serves_http(self) -> bool:
        """Whether any of its functions answers HTTP."""
        return any(isinstance(function, HttpFunction) for function in self._functions)

    async def serve(self, listening: socket.socket) -> None:
        """Answer HTTP on a listening socket, and let whoever called already have an answer before all else is loaded."""
        if any(isinstance(function, HttpFunction) and function.client for function in self._functions):
            self._early = await self._durable()
        await self._serve(listening)
        await asyncio.sleep(HEAD_START_SECONDS)
        await self._invocations.quiet(seconds=HEAD_START_SECONDS, at_most=1.0)

    async def start(self, listening: socket.socket | None = None) -> None:
        """Begin to work; `listening` takes the HTTP connections. Raises SettingError where something is not set."""
        if listening:
            await self.serve(listening)
        for pump in (*(self._early or await self._durable()), *self._pumps()):
            pump.start()
            self._stops.append(pump.stop)

    async def stop(self, *, seconds: float = DRAIN_SECONDS) -> None:
        """Take nothing more, let what runs finish for so many seconds, then cut it off."""
        await asyncio.gather(*(stop(seconds=seconds) for stop in self._stops))
        for end in self._ends:
            await end()

    async def _serve(self, listening: socket.socket) -> None:
        from local.http_server import HttpServer, tunnel_paths
        from local.routes import Routes

        prefix = self._host_json.extensions.http.route_prefix
        functions = [function for function in self._functions if isinstance(function, HttpFunction)]
        server = HttpServer(
            routes=Routes(functions, prefix=prefix),
            invocations=self._invocations,
            tunnel=tunnel_paths(prefix),
            body_limit=self._settings.max_file_bytes + FORM_BYTES,
            host_key=self._host_key,
        )
        await server.start(listening)
        self._stops.append(server.stop)

    async def _durable(self) -> list[DurableService]:
        """Durable Functions, where a function needs them; its clients work from now on and to the very end."""
        if not any(uses_durable(function) for function in self._functions):
            return []
        from local.durable.service import DurableService

        service = DurableService(
            functions=self._functions,
            invocations=self._invocations,
            settings=self._settings,
            options=self._host_json.extensions.durable_task,
            clock=self._clock,
        )
        self._ends.append(service.close)
        await service.connect()
        return [service]

    def _pumps(self) -> list[_Pump]:
        queues = [function for function in self._functions if isinstance(function, QueueFunction)]
        timers = [function for function in self._functions if isinstance(function, TimerFunction)]
        return [*self._queue_pumps(queues), *self._timer_pumps(timers)]

    def _queue_pumps(self, functions: Sequence[QueueFunction]) -> list[_Pump]:
        if not functions:
            return []
        _check_sessions(functions)
        from local.message_handler import MessageHandler
        from local.priority import BackgroundGate
        from local.queue_pump import QueuePump
        from local.session_pump import SessionPump

        options = self._host_json.extensions.service_bus
        handler = MessageHandler(
            broker=self._broker,
            invocations=self._invocations,
            clock=self._clock,
            renew_for=options.max_auto_lock_renewal_duration,
        )
        gate = BackgroundGate(self._invocations)
        return [
            SessionPump(
                function=function,
                broker=self._broker,
                clock=self._clock,
                handler=handler,
                concurrent_sessions=options.max_concurrent_sessions,
                idle_timeout=options.session_idle_timeout,
            )
            if function.sessions
            else QueuePump(
                function=function,
                broker=self._broker,
                handler=handler,
                concurrent_calls=options.max_concurrent_calls,
                gate=gate if function.queue == BACKGROUND else None,
            )
            for function in functions
        ]

    def _timer_pumps(self, functions: Sequence[TimerFunction]) -> list[_Pump]:
        if not functions:
            return []
        from local.timer_state import TimerState
        from local.timers import TimerPump

        state = TimerState(self._settings.home, sync=self._settings.sync)
        self._ends.append(state.close)
        return [
            TimerPump(function=function, state=state, invocations=self._invocations, clock=self._clock)
            for function in functions
        ]


def _check_sessions(functions: Sequence[QueueFunction]) -> None:
    """As in Azure, a trigger whose sessions are not those of its queue does not start."""
    for function in functions:
        has = not function.dead_letters and QUEUES[function.queue].requires_session
        if function.sessions is not has:
            raise SettingError(f"function {function.name}: {function.queue} has {'' if has else 'no '}sessions")
