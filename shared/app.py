"""The composition root: builds each part once, on first use. Tests and the embedded host re-wire it."""

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
from shared.pipeline.webhook import Webhooks
from shared.ports import (
    Broker,
    Channel,
    Checkpoints,
    Clock,
    Files,
    Limits,
    Memory,
    MemoryStore,
    Orchestrations,
    Parts,
    Queue,
    SecretStore,
    Store,
    Tool,
)
from shared.settings import Settings
from shared.telemetry import logger
from shared.topology import BACKGROUND, TURNS

if TYPE_CHECKING:
    import aiohttp

    from shared.access.linking import Linking
    from shared.access.people import People
    from shared.agent.assistant import Assistant
    from shared.agent.models import Models
    from shared.pipeline.answers import Answers
    from shared.pipeline.asking import Asking
    from shared.pipeline.background import Background
    from shared.pipeline.belfry import Belfry
    from shared.pipeline.commands import Commands
    from shared.pipeline.dead_letter_actions import DeadLetterActions
    from shared.pipeline.dead_letters import DeadLetters
    from shared.pipeline.delivery import Deliveries
    from shared.pipeline.hand_over import HandOver
    from shared.pipeline.intake import Intake
    from shared.pipeline.operations import Operations
    from shared.pipeline.question_times import QuestionTimes
    from shared.pipeline.rooms import Rooms
    from shared.pipeline.run import Runs
    from shared.pipeline.run_end import RunEnd
    from shared.pipeline.scheduling import Schedules
    from shared.pipeline.stops import Stops
    from shared.pipeline.sweeper import Sweeper
    from shared.pipeline.timeline import Timelines
    from shared.pipeline.turn import Turns
    from shared.pipeline.turn_work import TurnWork
    from shared.pipeline.web_chat import WebChat

log = logger(__name__)

INTAKE_PATIENCE = 570.0
"""Seconds: shortly before the functionTimeout of host.json, ten minutes."""


class App:
    """Everything that a stage may need. Each part is a cached property, so that a test replaces it by assignment."""

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

        if self._http is None:
            timeout = aiohttp.ClientTimeout(total=30, connect=10)
            self._http = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=100))
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
        """The queues, both halves: what the embedded host receives from."""
        broker: Broker = self._plug_in("queues", self.settings.queue)
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

    # --- the stages ---

    @cached_property
    def bells(self) -> Bells:
        """Rings queues."""
        return Bells(queue=self.queue, clock=self.clock, settings=self.settings)

    @cached_property
    def webhooks(self) -> Webhooks:
        """The webhook stage."""
        return Webhooks(channel=self.channel, queue=self.queue, files=lambda: self.files, clock=self.clock)

    @cached_property
    def rooms(self) -> Rooms:
        """Conversations with their channels."""
        from shared.pipeline.rooms import Rooms

        return Rooms(store=self.store, channel=self.channel)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """The dead-letter stage."""
        from shared.pipeline.dead_letters import DeadLetters

        return DeadLetters(rooms=self.rooms, bells=self.bells, clock=self.clock, settings=self.settings)

    @cached_property
    def commands(self) -> Commands:
        """What people can type."""
        from shared.pipeline.belongings import Belongings
        from shared.pipeline.commands import Commands
        from shared.pipeline.steering import Steering

        belongings = Belongings(store=self.store, memory=self.memory, tenant=self.settings.tenant)
        return Commands(
            people=self.people,
            linking=self.linking,
            steering=Steering(clock=self.clock, model=lambda: ", ".join(self.models.names())),
            move=belongings.move,
        )

    @cached_property
    def answers(self) -> Answers:
        """Takes answers to questions."""
        from shared.pipeline.answers import Answers

        return Answers(
            store=self.store,
            rooms=self.rooms,
            people=self.people,
            tools=lambda: self.tools,
            bells=self.bells,
            clock=self.clock,
        )

    @cached_property
    def intake(self) -> Intake:
        """The intake stage."""
        from shared.pipeline.intake import Intake

        return Intake(
            rooms=self.rooms,
            commands=self.commands,
            answers=self.answers,
            dead_letters=self.dead_letters,
            bells=self.bells,
            files=self.files,
            clock=self.clock,
            patience_seconds=INTAKE_PATIENCE,
        )

    @cached_property
    def turns(self) -> Turns:
        """The turns stage."""
        return self._turns(TURNS)

    @cached_property
    def background(self) -> Background:
        """The background stage."""
        from shared.pipeline.background import Background
        from shared.pipeline.summary import Summaries

        summaries = Summaries(rooms=self.rooms, assistant=self.assistant, settings=self.settings)
        return Background(turns=self._turns(BACKGROUND), summaries=summaries, bells=self.bells)

    def _turns(self, queue: str) -> Turns:
        from shared.pipeline.turn import Turns

        return Turns(
            queue=queue,
            rooms=self.rooms,
            work=self.turn_work,
            end=self.run_end,
            hand_over=self.hand_over,
            stops=self.stops,
            runs=self.runs,
            bells=self.bells,
            clock=self.clock,
            settings=self.settings,
        )

    @cached_property
    def runs(self) -> Runs:
        """The run stage: what orchestrations do."""
        from shared.pipeline.run import Runs

        return Runs(
            rooms=self.rooms,
            work=self.turn_work,
            end=self.run_end,
            hand_over=self.hand_over,
            stops=self.stops,
            times=self.question_times,
            orchestrations=self._orchestrations,
            clock=self.clock,
            settings=self.settings,
        )

    def _orchestrations(self) -> Orchestrations:
        if self.orchestrations is None:
            raise QueueUnavailable("nothing here can wake orchestrations: no invocation has brought a client yet")
        return self.orchestrations

    @cached_property
    def belfry(self) -> Belfry:
        """Rings for what was written."""
        from shared.pipeline.belfry import Belfry

        return Belfry(bells=self.bells)

    @cached_property
    def run_end(self) -> RunEnd:
        """How runs end."""
        from shared.pipeline.run_end import RunEnd

        return RunEnd(
            bells=self.belfry,
            dead_letters=self.dead_letters,
            checkpoints=self.checkpoints,
            clock=self.clock,
            settings=self.settings,
        )

    @cached_property
    def hand_over(self) -> HandOver:
        """How runs go on later."""
        from shared.pipeline.hand_over import HandOver

        return HandOver(
            asking=self.asking, end=self.run_end, bells=self.belfry, checkpoints=self.checkpoints, clock=self.clock
        )

    @cached_property
    def stops(self) -> Stops:
        """How runs are stopped."""
        from shared.pipeline.stops import Stops

        return Stops(end=self.run_end, bells=self.belfry, checkpoints=self.checkpoints, clock=self.clock)

    @cached_property
    def question_times(self) -> QuestionTimes:
        """What is due for questions."""
        from shared.pipeline.question_times import QuestionTimes

        return QuestionTimes(rooms=self.rooms, asking=self.asking, bells=self.bells, clock=self.clock)

    @cached_property
    def asking(self) -> Asking:
        """Makes questions."""
        from shared.pipeline.asking import Asking

        return Asking(people=self.people, tools=lambda: self.tools, clock=self.clock, settings=self.settings)

    @cached_property
    def turn_work(self) -> TurnWork:
        """What happens inside a run."""
        from shared.access.tool_policy import ToolPolicy
        from shared.pipeline.briefing import Briefing
        from shared.pipeline.turn_work import TurnWork

        briefing = Briefing(
            people=self.people,
            memory=self.memory,
            store=self.store,
            files=self.files,
            clock=self.clock,
            settings=self.settings,
        )
        return TurnWork(
            people=self.people,
            limits=self.limits,
            policy=ToolPolicy(settings=self.settings),
            assistant=self.assistant,
            briefing=briefing,
            files=self.files,
            clock=self.clock,
            settings=self.settings,
            stopping=lambda: self.stopping,
        )

    @cached_property
    def deliveries(self) -> Deliveries:
        """The deliveries stage."""
        from shared.pipeline.delivery import Deliveries
        from shared.pipeline.delivery_end import DeliveryEnd

        end = DeliveryEnd(bells=self.bells, dead_letters=self.dead_letters, clock=self.clock, settings=self.settings)
        return Deliveries(rooms=self.rooms, end=end, bells=self.bells, clock=self.clock, settings=self.settings)

    @cached_property
    def schedules(self) -> Schedules:
        """The schedules stage."""
        from shared.pipeline.scheduling import Schedules

        return Schedules(store=self.store, enter=self.intake.enter, dead_letters=self.dead_letters, clock=self.clock)

    @cached_property
    def sweeper(self) -> Sweeper:
        """The sweeper."""
        from shared.pipeline.sweeper import Sweeper

        return Sweeper(store=self.store, bells=self.bells, clock=self.clock)

    @cached_property
    def web_chat(self) -> WebChat:
        """What the web page reads."""
        from shared.pipeline.web_chat import WebChat

        return WebChat(
            channel=self.channel,
            store=self.store,
            files=self.files,
            max_file_bytes=self.settings.max_file_bytes,
        )

    # --- what operators do ---

    @cached_property
    def dead_letter_actions(self) -> DeadLetterActions:
        """Dead letters: list, look, replay, discard."""
        from shared.pipeline.dead_letter_actions import DeadLetterActions

        return DeadLetterActions(
            store=self.store,
            rooms=self.rooms,
            intake=lambda: self.intake,
            checkpoints=lambda: self.checkpoints,
            bells=self.bells,
            clock=self.clock,
            settings=self.settings,
        )

    @cached_property
    def timelines(self) -> Timelines:
        """What happened to messages."""
        from shared.pipeline.timeline import Timelines

        return Timelines(store=self.store, clock=self.clock, settings=self.settings)

    @cached_property
    def operations(self) -> Operations:
        """What operators reach over HTTP."""
        from shared.pipeline.operations import Operations

        return Operations(letters=lambda: self.dead_letter_actions, timelines=lambda: self.timelines)

    async def problems(self) -> list[str]:
        """What keeps the process from doing its work; empty when nothing does."""
        from shared.pipeline.health import problems

        return await problems(store=lambda: self.store, queue=lambda: self.queue, tenant=self.settings.tenant)

    async def close(self) -> None:
        """Let go of everything that was opened."""
        if self._assistant:
            self._assistant.cancel()
        for channel in self._channels.values():
            if channel:
                await channel.close()
        if self._http:
            await self._http.close()
        for name in ("files", "memory_store", "checkpoints", "store", "broker"):
            if name in self.__dict__:
                await self.__dict__[name].close()


_current: App | None = None


def current() -> App:
    """The process's app, built from the environment on first use. Raises SettingError."""
    global _current
    if _current is None:
        _current = App()
    return _current


def use(app: App | None) -> None:
    """Make another app the process's own: for tests and the embedded host."""
    global _current
    _current = app
