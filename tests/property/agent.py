"""An agent without a model: each letter of what a person writes is a step. It keeps its side of the contract as the real
one does (`shared/agent/effects.py`, `doubt.py`): the checkpoint before the row, the row before the call, nothing repeated unasked.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from shared.agent.turn import (
    Answer,
    Asked,
    AskKind,
    Control,
    Cost,
    Effected,
    Given,
    Outcome,
    Pointer,
    Question,
    Said,
    Segment,
)
from shared.conversation.states import EffectState
from shared.messages import LeaseLost, ModelUnavailable, Permanent
from shared.ports import Effect
from tests.property.outside import Outside
from tests.property.processes import Process

DO = "do "
"""How a text begins whose rest is a program; any other text is only answered."""
STEPS = {
    "r": "reads",
    "s": "does something that takes longer than a turn may",
    "w": "changes something",
    "f": "changes nothing, and knows that",
    "u": "changes something, and the answer gets lost",
    "v": "changes nothing, and the answer gets lost",
    "q": "asks the person to choose",
    "a": "changes something, if the person approves",
    "p": "fails for good, the first time that it is tried",
}
OPTIONS = ("tea", "coffee")
LONG = 7.0
"""Seconds; a turn has `town.TURN_SECONDS`."""
TOOL_SECONDS, RECORDING = 30.0, 1.0
DONE, NOT_DONE, DROPPED = "done", "not done", "dropped"


@dataclass
class State:
    """What a checkpoint holds."""

    of: list[str]
    """The events that it knows of."""
    program: list[tuple[str, str]]
    """What is to be done: the name of each step, and its letter."""
    at: int = 0
    call: str = ""
    """The id of the model's message that asks for the step in hand. No other message will ever have it."""
    log: list[tuple[str, str]] = field(default_factory=list)

    def take_in(self, event: str, text: str) -> None:
        """Add what a text asks for."""
        self.of.append(event)
        letters = text.removeprefix(DO) if text.startswith(DO) else ""
        self.program += [(f"{event}.{n}", letter) for n, letter in enumerate(letters) if letter in STEPS]

    def ended(self, result: str) -> None:
        """The step in hand is over."""
        self.log.append((self.program[self.at][0], result))
        self.at, self.call = self.at + 1, ""


@dataclass
class Desk:
    """What all agents share: the checkpoints, and the ids that were given."""

    checkpoints: dict[tuple[str, str], str] = field(default_factory=dict)
    written: set[tuple[str, str]] = field(default_factory=set)
    """Where a checkpoint is or was."""
    calls: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    revision: int = 1

    def keep(self, place: tuple[str, str], state: str) -> None:
        """Write a checkpoint."""
        self.checkpoints[place] = state
        self.written.add(place)

    def discard(self, threads: Sequence[str]) -> None:
        """Remove threads."""
        for place in [one for one in self.checkpoints if one[0] in threads]:
            del self.checkpoints[place]


class _Asks(Exception):
    """The step in hand needs an answer."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked.text)
        self.asked = asked


class Agent:
    """The pipeline's Assistant, in one process."""

    def __init__(self, process: Process, desk: Desk, outside: Outside) -> None:
        self.process = process
        self.desk = desk
        self.outside = outside

    async def revision(self) -> str:
        return f"revision {self.desk.revision}"

    async def summarise(self, *, summary: str, said: Sequence[Said]) -> str:
        return f"{summary}|{len(said)}"

    async def work(self, *, segment: Segment, control: Control) -> Outcome:
        return await _Work(self, segment, control).run()


class _Work:
    def __init__(self, agent: Agent, segment: Segment, control: Control) -> None:
        self._agent = agent
        self._segment = segment
        self._control = control
        self._given: Mapping[tuple[str, int], Given] = {(one.interrupt, one.index): one for one in segment.answers}
        self._flushed = 0
        self._cost = {"model_calls": 0, "tool_calls": 0}
        self._state = State([], [])

    async def run(self) -> Outcome:
        self._state = await self._begin(self._segment.question)
        state, control = self._state, self._control
        while True:
            if not state.call:
                await control.before_step()
                for question in await control.arrivals():
                    state.take_in(question.event, question.text)
                await self._model()
                if state.at == len(state.program):
                    return Outcome(cost=self._spent(), answer=self._answer())
                state.call = f"call{next(self._agent.desk.calls)}"
            if control.draining():
                return Outcome(cost=self._spent(), pointer=await self._flush())
            await control.before_step()
            asked = (state.call, 0) in self._given
            if control.waiting() and not asked and not await control.ledger.find(key=state.call):
                state.call = ""  # skipped: the model sees first what came in
                continue
            try:
                state.ended(await self._step(*state.program[state.at]))
            except _Asks as asks:
                return Outcome(cost=self._spent(), asked=[asks.asked], pointer=await self._flush())

    async def _begin(self, question: Question) -> State:
        accepted = self._segment.accepted
        if accepted is None:
            state = State([], [])
            state.take_in(question.event, question.text)
            return state
        desk, place = self._agent.desk, (accepted.thread, accepted.checkpoint)
        found = await self._agent.process.call("load", lambda: desk.checkpoints.get(place))
        if found is None:
            # Who was frozen may come for one that was accepted then, and has been superseded and discarded since.
            if place not in desk.written:
                self._agent.outside.wrong.append(f"the accepted checkpoint {place} was never written")
            raise Permanent("the checkpoint is gone")
        kept: dict[str, Any] = json.loads(found)
        return State(**{**kept, "program": [tuple(one) for one in kept["program"]]})

    async def _model(self) -> None:
        self._cost["model_calls"] += 1

        def ask() -> None:
            if not self._agent.outside.model_is_there:
                raise ModelUnavailable("away, says the test")

        await self._agent.process.call("model", ask)

    async def _step(self, name: str, letter: str) -> str:
        self._cost["tool_calls"] += 1
        await self._control.progress(f"{letter} {name}")
        match letter:
            case "r":
                await self._agent.process.call(f"read {name}", lambda: None)
                return DONE
            case "s":
                await asyncio.sleep(LONG)
                return DONE
            case "q":
                return str(self._answered(name, AskKind.CHOICE, 0, OPTIONS)["message"])
            case "a":
                approved = self._answered(name, AskKind.APPROVAL, 0)
                if approved["type"] != "approve":
                    return "refused"
            case "p":
                self._agent.outside.fail_once(name)
                return DONE
        return await self._write(name, letter)

    # --- effects ---

    async def _write(self, name: str, letter: str) -> str:
        found = await self._control.ledger.find(key=self._state.call)
        attempt = 1
        while True:
            if found is not None:
                if found.state in (EffectState.DONE, EffectState.NOT_DONE, EffectState.DROPPED):
                    return str(found.state).replace("_", " ")
                settled = await self._settle(name, letter, found)
                if isinstance(settled, str):
                    return settled
                attempt = settled
            result = await self._attempt(name, letter, attempt)
            if result is not None:
                return result
            found = Effected(state=EffectState.UNCERTAIN, attempt=attempt, arguments="", why="")

    async def _settle(self, name: str, letter: str, found: Effected) -> str | int:
        ledger, call, outside = self._control.ledger, self._state.call, self._agent.outside
        if found.state is EffectState.STARTED:
            await ledger.finish(key=call, state=EffectState.UNCERTAIN, result={}, why="cut")
        index, attempt = (1 if letter == "a" else 0), 1
        while True:
            answer = self._answered(name, AskKind.UNCERTAIN, index)
            index += 1
            if answer["type"] == "drop":
                await ledger.finish(key=call, state=EffectState.DROPPED, result={}, why="")
                return DROPPED
            if answer["type"] == "repeat":
                if attempt >= found.attempt:
                    return found.attempt + 1
                attempt += 1
                continue
            if (call, index) not in self._given:
                happened = await self._agent.process.call(f"check {name}", lambda: outside.has_happened(name))
                state = EffectState.DONE if happened else EffectState.NOT_DONE
                await ledger.finish(key=call, state=state, result={}, why="")
                return DONE if happened else NOT_DONE

    async def _attempt(self, name: str, letter: str, attempt: int) -> str | None:
        pointer = await self._flush()
        await self._control.ledger.start(
            key=self._state.call,
            tool="change",
            effect=Effect.WRITE,
            arguments="",
            attempt=attempt,
            pointer=pointer,
        )
        doing = asyncio.create_task(self._carry_out(name, letter))
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)
            raise

    async def _carry_out(self, name: str, letter: str) -> str | None:
        """Call, and record what came of it. None: nobody knows."""
        outside, finish, call = self._agent.outside, self._control.ledger.finish, self._state.call

        def change() -> None:
            if letter not in "fv":
                outside.do(name)

        try:
            async with asyncio.timeout(TOOL_SECONDS):
                # Cutting a call does not stop what it has set off.
                await self._agent.process.call(f"change {name}", change, after_cut=change if letter == "u" else None)
        except asyncio.CancelledError:
            with suppress(Exception):
                async with asyncio.timeout(RECORDING):
                    await finish(key=call, state=EffectState.UNCERTAIN, result={}, why="cut")
            raise
        except LeaseLost:
            raise
        except TimeoutError:
            await finish(key=call, state=EffectState.UNCERTAIN, result={}, why="slow")
            return None
        if letter in "uv":
            await finish(key=call, state=EffectState.UNCERTAIN, result={}, why="lost")
            return None
        await finish(key=call, state=EffectState.NOT_DONE if letter == "f" else EffectState.DONE, result={})
        return NOT_DONE if letter == "f" else DONE

    # --- the rest ---

    def _answered(self, name: str, kind: AskKind, index: int, options: Sequence[str] = ()) -> Mapping[str, Any]:
        """The answer to a question of the step in hand. Raises _Asks where there is none."""
        call = self._state.call
        if given := self._given.get((call, index)):
            return given.value
        raise _Asks(
            Asked(
                interrupt=call,
                index=index,
                call=call,
                kind=kind,
                tool="change",
                arguments={"effect": name},
                text=f"{kind} {name}?",
                options=options,
            )
        )

    async def _flush(self) -> Pointer:
        pointer = Pointer(thread=f"{self._segment.thread}.{self._flushed}", checkpoint="only")
        self._flushed += 1
        desk, kept = self._agent.desk, json.dumps(asdict(self._state))
        place = (pointer.thread, pointer.checkpoint)
        await self._agent.process.call("flush", lambda: desk.keep(place, kept), of_store=True)
        return pointer

    def _answer(self) -> Answer:
        said = {"of": self._state.of, "log": self._state.log}
        return Answer(text=json.dumps(said), model="none", **self._cost)

    def _spent(self) -> Cost:
        return Cost(model="none", **self._cost)
