"""What the stages are built from: settings, store, queues, channels, people, the agent. `shared.app` builds them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared import registry
from shared.clock import SystemClock
from shared.messages import QueueUnavailable, SettingError
from shared.pipeline.bells import Bells
from shared.ports import Parts
from shared.settings import Settings
from shared.telemetry import logger
from shared.telemetry.asked import asked_for

if TYPE_CHECKING:
    import aiohttp

    from shared.access.linking import Linking
    from shared.access.people import People
    from shared.agent.assistant import Assistant
    from shared.agent.models import Models
    from shared.pipeline.belfry import Belfry
    from shared.pipeline.rooms import Rooms
    from shared.ports import (
        Broker,
        Channel,
        Checkpoints,
        Clock,
        Exporter,
        Files,
        Limits,
        Memory,
        MemoryStore,
        Orchestrations,
        Queue,
        SecretStore,
        Store,
        Tool,
    )
    from shared.telemetry.setup import Recording

log = logger(__name__)


class Foundation:
    """Everything that a stage may stand on. Each part is a cached property, so that a test replaces it by assignment."""

    def __init__(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        settings: Settings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.environ = os.environ if environ is None else environ
        self.settings = settings or Settings.from_environ(self.environ)
        self.clock: Clock = clock or SystemClock()
        self._channels: dict[str, Channel | None] = {}
        self._opening = asyncio.Lock()
        self._http: aiohttp.ClientSession | None = None
        self._assistant: asyncio.Task[Assistant] | None = None
        self.orchestrations: Orchestrations | None = None
        """Wakes orchestrations. Azure hands each invocation a client of its own; they all lead to the same place."""
        self._telemetry: Recording | None = None
        self.stopping = False
        """True once the process is to end: segments then pause between two steps."""

    # --- what the plug-ins are built from ---

    @cached_property
    def parts(self) -> Parts:
        """What every `build(parts)` takes."""
        return Parts(
            settings=self.settings,
            environ=self.environ,
            clock=self.clock,
            http=self.http,
            files=lambda: self.files,
            secrets=lambda: self.secrets,
        )

    def http(self) -> aiohttp.ClientSession:
        """The process's one HTTP client."""
        import aiohttp

        from shared.telemetry.http_client import requests

        if self._http is None:
            timeout = aiohttp.ClientTimeout(total=30, connect=10)
            self._http = aiohttp.ClientSession(
                timeout=timeout, connector=aiohttp.TCPConnector(limit=100), trace_configs=requests()
            )
        return self._http

    def _plug_in(self, group: str, name: str) -> Any:
        return registry.build_function(group, name)(self.parts)

    @cached_property
    def store(self) -> Store:
        """The truth."""
        store: Store = self._plug_in("storage", self.settings.store)
        return store

    @cached_property
    def broker(self) -> Broker:
        """The queues, both halves: what the embedded host receives from. In Azure there is only the sending one."""
        broker: Broker = self._plug_in("queues", registry.chosen(self.settings.queue))
        return broker

    @cached_property
    def queue(self) -> Queue:
        """The sending half of the queues."""
        return self.broker

    @cached_property
    def files(self) -> Files:
        """Bodies too large for a queue, and media."""
        files: Files = self._plug_in("files", self.settings.files)
        return files

    @cached_property
    def secrets(self) -> SecretStore:
        """Secrets by name."""
        secrets: SecretStore = self._plug_in("secrets", self.settings.secrets)
        return secrets

    @cached_property
    def memory_store(self) -> MemoryStore:
        """What long-term memory is kept in."""
        store: MemoryStore = self._plug_in("memory", self.settings.store)
        return store

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """What runs go on from."""
        checkpoints: Checkpoints = self._plug_in("checkpoints", self.settings.store)
        return checkpoints

    # --- telemetry ---

    def observe(self) -> None:
        """Record spans, metrics and logs in this process, where a setting names somewhere to send them. Raises SettingError."""
        if self._telemetry is None and asked_for(self.environ):
            from shared.telemetry.settings import TelemetrySettings

            settings = TelemetrySettings.from_environ(self.environ)
            names = settings.exporters()
            if names or settings.by_worker:
                from shared.telemetry import setup

                self._telemetry = setup.Telemetry(lambda: self._exporters(names)) if names else setup.Borrowed()
                self._telemetry.begin()

    def _exporters(self, names: list[str]) -> list[Exporter]:
        return [self._plug_in("exporters", name) for name in names]

    # --- channels ---

    async def channel(self, name: str) -> Channel | None:
        """A channel, built on first use; None where it is unknown or not configured."""
        if name not in self._channels:
            async with self._opening:
                if name not in self._channels:
                    self._channels[name] = await self._open_channel(name)
        return self._channels[name]

    async def _open_channel(self, name: str) -> Channel | None:
        if not registry.known("channels", name):
            return None
        try:
            channel: Channel = self._plug_in("channels", name)
        except SettingError as error:
            log.warning("channel off", extra={"fields": {"channel": name, "reason": str(error)}})
            return None
        if opening := getattr(channel, "open", None):
            await opening()
        return channel

    # --- people ---

    @cached_property
    def people(self) -> People:
        """Users and identities."""
        from shared.access.people import People

        return People(store=self.store, settings=self.settings, clock=self.clock)

    @cached_property
    def linking(self) -> Linking:
        """One-time codes."""
        from shared.access.linking import Linking

        return Linking(
            store=self.store,
            people=self.people,
            settings=self.settings,
            clock=self.clock,
            secret_store=self.secrets,
        )

    @cached_property
    def limits(self) -> Limits:
        """What people may do."""
        from shared.access.limits import NoLimits

        return NoLimits()

    # --- the agent ---

    @cached_property
    def models(self) -> Models:
        """The chain of chat models."""
        from shared.agent.models import Models

        return Models(parts=self.parts)

    def memory(self, user: str) -> Memory:
        """A user's long-term memory."""
        from shared.agent.memory import LongTermMemory

        return LongTermMemory(store=self.memory_store.open, tenant=self.settings.tenant, user=user, clock=self.clock)

    @cached_property
    def tools(self) -> Mapping[str, Tool]:
        """What the assistant can do, by name."""
        built = [tool for name in registry.names("tools") for tool in self._plug_in("tools", name)]
        return {tool.name: tool for tool in built}

    async def assistant(self) -> Assistant:
        """The agent. Its libraries take seconds to import, so they are imported in a thread, once."""
        if self._assistant is None:
            self._assistant = asyncio.create_task(self._load_assistant())
        try:
            return await asyncio.shield(self._assistant)
        except Exception:
            self._assistant = None
            raise

    async def _load_assistant(self) -> Assistant:
        def build() -> Assistant:
            from shared.agent.assistant import Assistant

            return Assistant(models=self.models, tools=list(self.tools.values()), checkpoints=self.checkpoints)

        return await asyncio.to_thread(build)

    # --- bells and rooms ---

    @cached_property
    def bells(self) -> Bells:
        """Rings queues."""
        return Bells(queue=self.queue, clock=self.clock, settings=self.settings)

    @cached_property
    def belfry(self) -> Belfry:
        """Rings for what was written."""
        from shared.pipeline.belfry import Belfry

        return Belfry(bells=self.bells)

    @cached_property
    def rooms(self) -> Rooms:
        """Conversations with their channels."""
        from shared.pipeline.rooms import Rooms

        return Rooms(store=self.store, channel=self.channel)

    def _orchestrations(self) -> Orchestrations:
        if self.orchestrations is None:
            raise QueueUnavailable("nothing here can wake orchestrations: no invocation has brought a client yet")
        return self.orchestrations

    async def close(self) -> None:
        """Let go of everything that was opened."""
        if self._assistant:
            self._assistant.cancel()
        for channel in self._channels.values():
            if channel:
                await channel.close()
        if self._http:
            await self._http.close()
        for name in ("files", "secrets", "memory_store", "checkpoints", "store", "broker"):
            if name in self.__dict__:
                await self.__dict__[name].close()
        if self._telemetry:
            await asyncio.to_thread(self._telemetry.end)
