"""A data folder, the hosts that work on it, a fake Telegram and fake webhooks, and people in some forty chats."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from local.roles import DURABLE, ROLES
from shared.conversation.dead_letter_records import DeadLetter
from shared.conversation.questions import BUTTON
from tests.crash import truth
from tests.crash.long_runs import Asked, asked
from tests.crash.nursery import Host, Nursery
from tests.crash.people import APPROVER, People
from tests.crash.points import Plan, Reached, read_journal
from tests.crash.traffic import Traffic
from tests.crash.waiting import NotInTime, until
from tests.crash.webhooks import Webhooks, webhooks
from tests.fakes import telegram_updates as updates
from tests.fakes.cosmos import beside
from tests.fakes.cosmos.beside import Beside
from tests.fakes.ports import free_port
from tests.fakes.telegram import FakeTelegram

LEASE_SECONDS = 1.5
SPLIT = (*ROLES, "turns", "deliveries", DURABLE)
"""A process for each scale group, and a second one for turns, deliveries and orchestrations."""


def question_seconds() -> int:
    """How long a question waits for its answer."""
    return 5 if beside.chosen() is beside.Kind.SQLITE else 12


class Stage:
    """Everything that one test needs."""

    def __init__(self, home: Path, nursery: Nursery, telegram: FakeTelegram, **settings: str) -> None:
        self.home = home
        self.telegram = telegram
        self.port = free_port()
        self.journal = home.parent / f"{home.name}.journal"
        self.signs = home.parent / f"{home.name}.signs"
        self.signs.mkdir()
        self.traffic = Traffic(self.port)
        self.webhooks: Webhooks
        self.people: People
        self.hosts: list[Host] = []
        self._nursery = nursery
        self._settings = settings
        self._keepers: list[asyncio.Task[None]] = []
        self._opened = AsyncExitStack()

    async def open(self) -> None:
        self.webhooks = await self._opened.enter_async_context(webhooks())
        self.people = People(self.home, self.traffic, self.telegram, self.webhooks)
        await self.traffic.open()
        self._store = await Beside.start(self.home)
        self._settings |= self._store.settings

    async def close(self) -> None:
        """Kill what still runs."""
        tasks = (*self._keepers, *self.people.errands)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for host in self.hosts:
            host.signal(signal.SIGKILL)
        for host in self.hosts:
            await host.end()
        await self.traffic.close()
        await self._store.stop()
        await self._opened.aclose()

    def set(self, **settings: str) -> None:
        """Change settings of the hosts that start from now on."""
        self._settings.update(settings)

    # --- hosts ---

    def environment(self) -> dict[str, str]:
        """The settings of every host: as short as they can be without being at the machine's mercy."""
        return {
            "PRAXOS_HOME": str(self.home),
            "PRAXOS_PORT": str(self.port),
            "PRAXOS_MODEL": "demo",
            "PRAXOS_LEASE_SECONDS": str(LEASE_SECONDS),
            "PRAXOS_RETRY_SECONDS": "0.2",
            "PRAXOS_DRAIN_SECONDS": "0.3",
            "PRAXOS_HISTORY_MESSAGES": "2",
            "PRAXOS_TURN_SECONDS": "1.5",
            "PRAXOS_SEGMENT_SECONDS": "0.5",
            "PRAXOS_QUESTION_HOURS": str(question_seconds() / 3600),
            "PRAXOS_APPROVER": f"telegram:{APPROVER}",
            "PRAXOS_WEBHOOKS": self.webhooks.setting,
            "PRAXOS_REMINDERS_EVERY": "* * * * * *",
            "PRAXOS_SWEEP_EVERY": "* * * * * *",
            "TELEGRAM_BOT_TOKEN": updates.TOKEN,
            "TELEGRAM_WEBHOOK_SECRET": updates.SECRET,
            "TELEGRAM_BOT_USERNAME": "praxos_bot",
            "TELEGRAM_API_BASE": self.telegram.url,
            "TELEGRAM_TIMEOUT_SECONDS": "5",
            **self._settings,
        }

    async def start(self, *argv: str, plan: Plan | None = None, ready: bool = True) -> Host:
        """Start a host on the data folder."""
        planned = ("--plan", str(plan)) if plan else ()
        host = await self._nursery.start(
            "--journal", str(self.journal), "--signs", str(self.signs), *planned, *argv, env=self.environment()
        )
        self.hosts.append(host)
        if ready:
            await host.ready()
        return host

    async def start_split(self, *plans: Plan, options: Sequence[str] = ()) -> None:
        """Start every scale group in a process of its own, two for those that work longest, and keep them running.

        Each of them lives through the plans one after the other; who has no plan left, or never reaches it, stays.
        """
        for role in SPLIT:
            argv = ("--role", role, *options)
            host = await self.start(*argv, plan=plans[0] if plans else None, ready=False)
            self._keepers.append(asyncio.create_task(self._keep(argv, host, plans[1:])))
        for host in self.hosts:
            await host.ready()

    async def _keep(self, argv: Sequence[str], host: Host, plans: Sequence[Plan]) -> None:
        for plan in (*plans, None):
            status = await asyncio.shield(host.ended)
            assert status == -signal.SIGKILL, f"{argv}: ended with {status}: {host.err.read_text()}"
            host = await self.start(*argv, plan=plan, ready=False)

    def _raise_what_went_wrong(self) -> None:
        for task in (*self._keepers, *self.people.errands):
            if task.done() and not task.cancelled():
                task.result()

    def steps(self) -> list[Reached]:
        """What the hosts have noted so far."""
        return read_journal(self.journal)

    def carried_out(self, plan: Plan) -> bool:
        """True when a host has killed or frozen itself as planned."""
        self._raise_what_went_wrong()
        return any(reached.acted and plan.is_at(reached) for reached in self.steps())

    async def press(self, chat: int, choice: str, *, nth: int = 0) -> None:
        """Press a button under the nth question that comes to a chat."""

        def there() -> list[Asked]:
            return list(asked(self.telegram, chat))[nth:]

        [question, *_] = await until(there, seconds=30, what=f"question {nth} in chat {chat}")
        self.traffic.press(chat, f"{BUTTON}{question.token}:{choice}")

    # --- the end ---

    async def settle(self, *, seconds: float = 100) -> None:
        """Wait until everything that was said is dealt with."""
        store = truth.open_store(self.home)
        left: list[str] = []

        async def quiet() -> bool:
            self._raise_what_went_wrong()
            left[:] = [*self.people.unsaid, *await truth.unfinished(store, self.home)]
            return not left

        try:
            await until(quiet, seconds=seconds, what="quiet")
        except NotInTime as late:
            raise NotInTime(f"{late}: {left}") from None
        finally:
            await store.close()

    async def complaints(self) -> list[str]:
        """Everything that is not as promised."""
        store = truth.open_store(self.home)
        try:
            return await truth.complaints(store, self.home, self.telegram, self.webhooks, self.people.said)
        finally:
            await store.close()

    async def documents(self, chat: int) -> truth.Documents:
        """Everything in a chat's partition."""
        store = truth.open_store(self.home)
        try:
            return await truth.documents(store, chat)
        finally:
            await store.close()

    async def dead_letters(self) -> list[DeadLetter]:
        """The open dead letters."""
        store = truth.open_store(self.home)
        try:
            return await truth.dead_letters(store)
        finally:
            await store.close()
