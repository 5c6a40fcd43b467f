"""People whose wishes take long: they count, post, are asked, answer, go on speaking meanwhile, and stop it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.conversation.partition import ConversationPartition
from shared.conversation.questions import BUTTON
from shared.conversation.states import OPEN_ENTRIES, EntryState
from shared.pipeline.run import ENDED
from shared.ports import Store
from tests.crash import truth
from tests.crash.host import AWAY_LATER, NEVER_LATER
from tests.crash.traffic import Said, Traffic, conversation
from tests.crash.waiting import until
from tests.crash.webhooks import Webhooks
from tests.fakes.telegram import FakeTelegram

COUNTED, STEERED, FOLLOWED, STOPPED, CLOSED, FORGETTING, CHOOSING, UNANSWERED = range(130, 138)
POSTED, POST_BROKEN, POST_CUT, POST_HELD, AWAY_LATER_ON, NEVER_LATER_ON = range(138, 144)
LONG_RUNS = range(130, 144)
OWN, ROUTED = "May I forget", "asked me for something"
"""How questions begin that a person is asked for themselves, and what is in those for somebody else."""
LOOK_SECONDS = 0.1

Choose = Callable[["Asked"], str]
"""Which button to press; empty: none."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the platform shows it."""

    token: str
    text: str
    choices: Sequence[str]


def asked(telegram: FakeTelegram, chat: int) -> Iterator[Asked]:
    """The questions in a chat, each once, in the order in which they came."""
    seen: set[str] = set()
    for call in telegram.sent(chat):
        rows = call.parameters.get("reply_markup", {}).get("inline_keyboard", [])
        values = [str(button["callback_data"]).removeprefix(BUTTON) for row in rows for button in row]
        token = values[0].partition(":")[0] if values else ""
        if token and token not in seen:
            seen.add(token)
            yield Asked(token, str(call.parameters["text"]), [value.partition(":")[2] for value in values])


async def handed_over(store: Store, said: Said) -> bool:
    """True when an orchestration goes on with what was said, or when that is over already."""
    head = await _partition(store, said.chat).record()
    return bool(head and any(run.event == said.event for run in head.record.runs)) or await over(store, said)


async def over(store: Store, said: Said) -> bool:
    """True when what was said was dealt with to its end, or belongs to a run that was there before."""
    partition = _partition(store, said.chat)
    entry = await partition.entry(said.event)
    if entry is None or entry.record.state in OPEN_ENTRIES:
        return False
    run = await partition.run(said.event)
    return run is None or run.record.state in ENDED or entry.record.state is EntryState.STOPPED


def _partition(store: Store, chat: int) -> ConversationPartition:
    return ConversationPartition(store=store, tenant="main", conversation=conversation(chat))


class LongRuns:
    """What these people do in a round."""

    def __init__(
        self,
        home: Path,
        traffic: Traffic,
        telegram: FakeTelegram,
        webhooks: Webhooks,
        *,
        approver: int,
        patience: float,
    ) -> None:
        self._home = home
        self._traffic = traffic
        self._telegram = telegram
        self._webhooks = webhooks
        self._approver = approver
        self._patience = patience
        self._pressed: set[str] = set()

    def round(self, n: int) -> list[Coroutine[None, None, None]]:
        """Everybody says what they want; returned are the errands of those who then wait for something."""
        say = self._traffic.say
        for chat in (self._approver, *LONG_RUNS):
            if chat != STEERED:  # a round's wishes are not those of the round before
                say(chat, "/queue followup")
        say(COUNTED, "count to 3 slowly")
        say(FOLLOWED, "count to 2 slowly")
        say(FOLLOWED, f"c{FOLLOWED} r{n} n1")
        say(UNANSWERED, "ask me which way: left, right")
        say(AWAY_LATER_ON, f"{AWAY_LATER} count to 3 slowly")
        self.hopeless = say(NEVER_LATER_ON, f"{NEVER_LATER} count to 3 slowly")
        self._post(POSTED, n, self._webhooks.taking.url)
        return [
            self._go_on_speaking(),
            self._stop(say(STOPPED, "count to 60 slowly"), handed_over),
            self._stop(say(CLOSED, "ask me which way: left, right"), handed_over),
            self._forget(n),
            self._choose(n),
            self._answer(self._post(POST_BROKEN, n, self._webhooks.broken.url), POST_BROKEN, lambda _: "drop"),
            self._repeat_once(n),
            self._hold(n),
        ]

    def _post(self, chat: int, n: int, url: str) -> Said:
        return self._traffic.say(chat, f'post "{_text(chat, n)}" to {url}')

    # --- errands ---

    async def _go_on_speaking(self) -> None:
        """What somebody says while their run works belongs to it."""
        said = self._traffic.say(STEERED, "count to 3 slowly")
        await self._until(lambda store: handed_over(store, said), "it takes its time")
        self._traffic.say(STEERED, "what is 2+2")

    async def _stop(self, said: Said, when: Callable[[Store, Said], Awaitable[bool]]) -> None:
        await self._until(lambda store: when(store, said), "there is something to stop")
        self._traffic.say(said.chat, "/stop")

    async def _forget(self, n: int) -> None:
        """The approver presses a button, in a conversation of their own."""
        first = f"c{self._approver} r1 n1"
        await until(
            lambda: any(truth.echoed(text) == first for text in truth.texts(self._telegram, self._approver)),
            seconds=self._patience,
            every=LOOK_SECONDS,
            what="the approver is known",
        )
        said = self._traffic.say(FORGETTING, "forget everything")
        await self._answer(said, self._approver, lambda one: "approve" if ROUTED in one.text else "")

    async def answer_elsewhere(self, n: int, chat: int) -> None:
        """The approver forgets, and says yes in another chat that was linked to them."""
        said = self._traffic.say(self._approver, "forget everything")

        async def was_asked(store: Store) -> bool:
            own = [one for one in asked(self._telegram, self._approver) if OWN in one.text]
            return len(own) >= n or await over(store, said)

        await self._until(was_asked, "the approver is asked")
        self._traffic.say(chat, "yes")
        await self._answer(said, chat, lambda _: "approve")

    async def _choose(self, n: int) -> None:
        said = self._traffic.say(CHOOSING, "ask me which colour: red, green, blue")

        async def was_asked(store: Store) -> bool:
            return len(list(asked(self._telegram, CHOOSING))) >= n or await over(store, said)

        await self._until(was_asked, "the question is there")
        self._traffic.say(CHOOSING, "green")

    async def _repeat_once(self, n: int) -> None:
        """Nobody knows: once more, please. And when nobody knows again, it is left at that."""
        said = self._post(POST_CUT, n, self._webhooks.cutting.url)
        text, repeated = _text(POST_CUT, n), set[str]()

        def choose(one: Asked) -> str:
            if text not in one.text:
                return ""
            first = not repeated - {one.token}
            repeated.add(one.token)
            return "repeat" if first else "drop"

        await self._answer(said, POST_CUT, choose)

    async def _hold(self, n: int) -> None:
        """The webhook takes its time; where the host dies meanwhile, nobody knows."""
        said, receiver = self._post(POST_HELD, n, self._webhooks.holding.url), self._webhooks.holding

        async def came(store: Store) -> bool:
            return bool(self._webhooks.posted(_text(POST_HELD, n))) or await over(store, said)

        await self._until(came, "the post comes")
        receiver.release()
        receiver.hold()
        await self._answer(said, POST_HELD, lambda _: "drop")

    async def _answer(self, said: Said, chat: int, choose: Choose) -> None:
        """Press a button under each question that comes, until what was said is over."""

        async def ended(store: Store) -> bool:
            self._press(chat, choose)
            return await over(store, said)

        await self._until(ended, f"the end of {said.text!r}")

    def _press(self, chat: int, choose: Choose) -> None:
        for one in asked(self._telegram, chat):
            if one.token in self._pressed or not (choice := choose(one)):
                continue
            self._pressed.add(one.token)
            self._traffic.press(chat, f"{BUTTON}{one.token}:{choice}")
            # And the finger slips: the second click is on another button.
            other = next(each for each in one.choices if each != choice)
            self._traffic.press(chat, f"{BUTTON}{one.token}:{other}")

    async def _until(self, condition: Callable[[Store], Awaitable[bool]], what: str) -> None:
        store = truth.open_store(self._home)
        try:
            await until(lambda: condition(store), seconds=self._patience, every=LOOK_SECONDS, what=what)
        finally:
            await store.close()


def _text(chat: int, n: int) -> str:
    return f"c{chat} r{n}"
