"""The composition root: builds each stage once, on first use, from what `shared.foundation` has.

Tests and the embedded host re-wire it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from shared.foundation import Foundation
from shared.pipeline.webhook import Webhooks
from shared.topology import BACKGROUND, TURNS

if TYPE_CHECKING:
    from shared.pipeline.answers import Answers
    from shared.pipeline.asking import Asking
    from shared.pipeline.background import Background
    from shared.pipeline.commands import Commands
    from shared.pipeline.dead_letter_actions import DeadLetterActions
    from shared.pipeline.dead_letters import DeadLetters
    from shared.pipeline.delivery import Deliveries
    from shared.pipeline.hand_over import HandOver
    from shared.pipeline.history import Histories
    from shared.pipeline.intake import Intake
    from shared.pipeline.operations import Operations
    from shared.pipeline.question_times import QuestionTimes
    from shared.pipeline.run import Runs
    from shared.pipeline.run_end import RunEnd
    from shared.pipeline.scheduling import Schedules
    from shared.pipeline.segments import Segments
    from shared.pipeline.stops import Stops
    from shared.pipeline.sweeper import Sweeper
    from shared.pipeline.timeline import Timelines
    from shared.pipeline.turn import Turns
    from shared.pipeline.turn_work import TurnWork
    from shared.pipeline.web_chat import WebChat

INTAKE_PATIENCE = 570.0
"""Seconds: shortly before the functionTimeout of host.json, ten minutes."""


class App(Foundation):
    """The stages and what they share. Each part is a cached property, so that a test replaces it by assignment."""

    # --- the stages ---

    @cached_property
    def webhooks(self) -> Webhooks:
        """The webhook stage."""
        return Webhooks(channel=self.channel, queue=self.queue, files=lambda: self.files, clock=self.clock)

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
            segments=self.segments,
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
            segments=self.segments,
            end=self.run_end,
            times=self.question_times,
            orchestrations=self._orchestrations,
            clock=self.clock,
            settings=self.settings,
        )

    @cached_property
    def segments(self) -> Segments:
        """What is done under a lease, by turns and runs alike."""
        from shared.pipeline.segments import Segments

        return Segments(work=self.turn_work, end=self.run_end, hand_over=self.hand_over, stops=self.stops)

    @cached_property
    def histories(self) -> Histories:
        """What was said lately, as far as this process knows it."""
        from shared.pipeline.history import WINDOW, Histories

        return Histories(limit=self.settings.history_messages * WINDOW)

    @cached_property
    def run_end(self) -> RunEnd:
        """How runs end."""
        from shared.pipeline.run_end import RunEnd

        return RunEnd(
            bells=self.belfry,
            dead_letters=self.dead_letters,
            checkpoints=self.checkpoints,
            histories=self.histories,
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
            histories=self.histories,
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
        from shared.pipeline.queue_watch import QueueWatch
        from shared.pipeline.sweeper import Sweeper

        watch = QueueWatch(broker=lambda: self.broker, clock=self.clock)
        return Sweeper(store=self.store, bells=self.bells, watch=watch, clock=self.clock)

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

        return Operations(
            letters=lambda: self.dead_letter_actions,
            timelines=lambda: self.timelines,
            queue=lambda: self.queue,
            clock=self.clock,
        )

    async def problems(self) -> list[str]:
        """What keeps the process from doing its work; empty when nothing does."""
        from shared.pipeline.health import problems

        return await problems(store=lambda: self.store, queue=lambda: self.queue, tenant=self.settings.tenant)


_current: App | None = None


def current() -> App:
    """The process's app, built from the environment on first use. Raises SettingError."""
    global _current
    if _current is None:
        _current = App()
        _current.observe()
    return _current


def use(app: App | None) -> None:
    """Make another app the process's own: for tests and the embedded host."""
    global _current
    _current = app
