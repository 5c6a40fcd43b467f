"""Random interleavings: Hypothesis chooses what people, processes and time do next, and shortens what it finds."""

from __future__ import annotations

import logging
from enum import StrEnum

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from shared.conversation.records import QueueMode
from tests.property.agent import DO, STEPS
from tests.property.ends import complaints
from tests.property.processes import How, Process, Ticket
from tests.property.town import PROCESSES, Town

CHATS = ("one", "two")
SHOWN = 150
"""Lines of what happened, the last ones, that a failure prints."""
MOST = 10
"""How many complaints: the first one is the cause, mostly."""
WORDS = ("yes", "no", "repeat", "drop it", "check", "go on", "1", "tea")
CHOICES = ("approve", "refuse", "check", "repeat", "drop", "continue", "0", "1", "edit")
TIMES = (1, 6, 11, 31, 61, 130, 3_600, 43_300, 90_000)

MOMENTS = (
    "turn.take turn.finish model load effect.start change effect.finish run.hand_over run.ask run.take run.finish wake"
    " run.fail question.answer intake.ring send"
).split()
"""How calls begin that leave a process."""
MOST_STEPS = 80
"""How many steps a moment is waited for."""


class Act(StrEnum):
    """What happens at a moment."""

    KILL_BEFORE = "kill before"
    KILL_AFTER = "kill after"
    FREEZE = "freeze"
    STOP = "/stop"
    NEW = "/new"


programs = st.sampled_from(["", "q", "w"]) | st.text(st.sampled_from(sorted(STEPS)), max_size=4)
long_programs = st.sampled_from(["q", "a", "u", "w", "s", "wq", "rw", "su", "sp"])
chats = st.sampled_from(CHATS)
numbers = st.integers(0, 11)
orders = st.lists(numbers, min_size=4, max_size=25)
at_once = st.booleans()
"""Whether what somebody says is taken in while everything else stands still."""


class Broken(AssertionError):
    """Something is not as promised."""


class Interleavings(RuleBasedStateMachine):
    """Each rule is something that may happen at any time. In the end everything goes on until nothing is left to do."""

    @initialize(mode=st.sampled_from(QueueMode), program=programs, chat=chats)
    def begin(self, mode: QueueMode, program: str, chat: str) -> None:
        logging.disable(logging.CRITICAL)
        self.town = Town()
        if mode is not QueueMode.STEER:
            self.town.say(f"/queue {mode}", chat=chat)
        self.town.say(DO + program, chat=chat)

    # --- people ---

    @rule(program=programs, chat=chats, at_once=at_once)
    def say(self, program: str, chat: str, at_once: bool) -> None:
        self.town.say(DO + program, chat=chat)
        self._take_in(at_once)

    @rule(command=st.sampled_from(["/stop", "/stop", "/new", *(f"/queue {mode}" for mode in QueueMode)]), chat=chats)
    def command(self, command: str, chat: str) -> None:
        self.town.say(command, chat=chat)

    @rule(program=long_programs, chat=chats, moment=st.sampled_from(MOMENTS), act=st.sampled_from([*Act, Act.STOP]))
    def at_a_moment(self, program: str, chat: str, moment: str, act: Act) -> None:
        """Somebody writes; when a process is about to take a certain step, something happens to it."""
        self.town.say(DO + program, chat=chat)
        for _ in range(MOST_STEPS):
            moves = self.town.moves()
            found = next((one for one in moves if isinstance(one, Ticket) and one.what.startswith(moment)), None)
            if found:
                self._act(found, act, chat)
                return
            if moves:
                self.town.move(moves[0])

    def _act(self, ticket: Ticket, act: Act, chat: str) -> None:
        process = ticket.process
        match act:
            case Act.KILL_BEFORE:
                self.town.kill(process, None)
            case Act.KILL_AFTER:
                self.town.kill(process, process.gate.index(ticket))
            case Act.FREEZE:
                self.freeze_one(process)
            case Act.STOP | Act.NEW:
                self.town.say(str(act), chat=chat)
                self.town.take_in()
                self.work_quickly(4, newest=True)

    def _take_in(self, at_once: bool) -> None:
        if at_once:
            self.town.take_in()

    @precondition(lambda self: self.town.tokens())
    @rule(which=numbers, choice=st.sampled_from(CHOICES), chat=chats, stranger=st.sampled_from([False] * 5 + [True]))
    def press(self, which: int, choice: str, chat: str, stranger: bool) -> None:
        """A button of any question there ever was, in any conversation."""
        tokens = self.town.tokens()
        token = tokens[-1 - which % len(tokens)]
        self.town.press(f"q:{token}:{choice}", chat=chat, sender="bob" if stranger else "ann")

    @precondition(lambda self: self.town.tokens())
    @rule(which=numbers, at_once=at_once)
    def press_what_fits(self, which: int, at_once: bool) -> None:
        """A button that the question has."""
        tokens = self.town.tokens()
        choices = self.town.choices(token := tokens[-1 - which % len(tokens)])
        self.town.press(f"q:{token}:{choices[which % len(choices)]}", chat=CHATS[which % 2])
        self._take_in(at_once)

    @precondition(lambda self: self.town.tokens())
    @rule(which=numbers, order=orders)
    def press_two_at_a_time(self, which: int, order: list[int]) -> None:
        """Two buttons of a question, from two conversations."""
        tokens = self.town.tokens()
        choices = self.town.choices(token := tokens[-1 - which % len(tokens)])
        for chat, choice in zip(CHATS, choices, strict=False):
            self.town.press(f"q:{token}:{choice}", chat=chat)
        self.work(order)

    @precondition(lambda self: self.town.tokens())
    @rule(word=st.sampled_from(WORDS), chat=chats, at_once=at_once)
    def answer_in_words(self, word: str, chat: str, at_once: bool) -> None:
        self.town.say(word, chat=chat)
        self._take_in(at_once)

    @rule(which=numbers)
    def deliver_again(self, which: int) -> None:
        self.town.deliver(self.town.events[-1 - which % len(self.town.events)])

    @precondition(lambda self: self.town.letters())
    @rule(which=numbers, at_once=at_once)
    def replay(self, which: int, at_once: bool) -> None:
        """An operator replays a dead letter."""
        letters = self.town.letters()
        process = next(one for one in self.town.processes if not one.frozen)
        self.town.replay(letters[which % len(letters)], process)
        self._take_in(at_once)

    @rule(chat=chats, order=orders)
    def replay_what_failed_unheard(self, chat: str, order: list[int]) -> None:
        """The process dies that wrote an orchestration's failure; what comes then is before the replay in the mailbox."""
        known = self.town.letters()
        self.at_a_moment("sp", chat, "run.fail", Act.KILL_AFTER)
        self.say("", chat, at_once=True)
        for letter in (one for one in self.town.letters() if one not in known):
            self.town.replay(letter, next(one for one in self.town.processes if not one.frozen))
        self.work(order)

    # --- processes ---

    @rule(order=orders)
    def work(self, order: list[int]) -> None:
        """Processes begin with what is there and go on with what they do, in this order."""
        for number in order:
            if moves := self.town.moves():
                self.town.move(moves[number % len(moves)])

    @rule(steps=st.integers(5, 60), newest=st.booleans())
    def work_quickly(self, steps: int, newest: bool) -> None:
        """What began first goes on first, or what came last."""
        for _ in range(steps):
            if moves := self.town.moves():
                calls = [one for one in moves if isinstance(one, Ticket)]
                self.town.move(calls[-1] if newest and calls else moves[0])

    @rule(number=numbers, how=st.sampled_from([How.LOST, How.UNHEARD]))
    def lose(self, number: int, how: How) -> None:
        """The store does not answer once."""
        calls = [one for one in self.town.moves() if isinstance(one, Ticket) and one.of_store]
        if calls:
            self.town.move(calls[number % len(calls)], how)

    @rule(number=numbers, doing=st.none() | numbers)
    def kill(self, number: int, doing: int | None) -> None:
        self.town.kill(self._busy(number), doing)

    @rule(number=numbers)
    def freeze(self, number: int) -> None:
        self.freeze_one(self._busy(number))

    def freeze_one(self, process: Process) -> None:
        """One process at least goes on."""
        if sum(one.frozen for one in self.town.processes) < PROCESSES - 1:
            self.town.freeze(process)

    @precondition(lambda self: any(one.frozen for one in self.town.processes))
    @rule(number=numbers)
    def thaw(self, number: int) -> None:
        frozen = [one for one in self.town.processes if one.frozen]
        self.town.thaw(frozen[number % len(frozen)])

    def _busy(self, number: int) -> Process:
        """One of the processes, rather one that does something."""
        running = [one for one in self.town.processes if not one.frozen]
        busy = [one for one in running if one.gate] or running
        return busy[number % len(busy)]

    # --- the rest of the world ---

    @rule(seconds=st.sampled_from(TIMES), sweep=st.booleans())
    def pass_(self, seconds: int, sweep: bool) -> None:
        self.town.pass_(seconds)
        if sweep:
            self.town.sweep()

    @rule(number=numbers, twice=st.booleans())
    def ring_wrong(self, number: int, twice: bool) -> None:
        """A bell is lost, or comes twice."""
        self.town.ring_wrong(number, twice=twice)

    @rule()
    def model_goes_or_comes(self) -> None:
        self.town.outside.model_is_there = not self.town.outside.model_is_there

    @rule()
    def deploy(self) -> None:
        """The agent is another one from now on."""
        self.town.desk.revision += 1

    # --- what must hold ---

    def check_invariants(self, *given: object, **more: object) -> None:
        """After every rule: what a commit did wrong is known at once."""
        super().check_invariants(*given, **more)
        if hasattr(self, "town") and self.town.outside.wrong:
            self._fail(self.town.outside.wrong)

    def teardown(self) -> None:
        if not hasattr(self, "town"):
            return
        try:
            if not self.town.outside.wrong:
                self.town.settle()
                if found := complaints(self.town):
                    self._fail(found)
        finally:
            self.town.close()
            logging.disable(logging.NOTSET)

    def _fail(self, found: list[str]) -> None:
        trace = self.town.laws.trace
        raise Broken("\n".join([*trace[-SHOWN:], "", "NOT AS PROMISED:", *found[:MOST]]))
