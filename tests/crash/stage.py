"""A data folder, the hosts that work on it, a fake Telegram, and people in twenty chats who write to it."""

from __future__ import annotations

import asyncio
import itertools
import re
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from local.roles import ROLES
from shared import ids
from shared.clock import SystemClock
from shared.conversation.mailbox import arrive
from shared.conversation.partition import ConversationPartition
from shared.conversation.records import DeadLetter
from shared.messages import EventKind, InboundEvent, Sender
from shared.ports import QueueMessage
from shared.queues.sqlite import FILE as QUEUES_FILE
from shared.queues.sqlite import SqliteBroker
from shared.settings import Sync
from shared.steps import Step
from shared.topology import INBOUND
from tests.crash import truth
from tests.crash.host import AWAY, NEVER, SLOWLY
from tests.crash.nursery import Host, Nursery
from tests.crash.points import Plan, Reached, read_journal
from tests.crash.traffic import Said, Traffic, conversation
from tests.fakes import telegram_updates as updates
from tests.fakes.telegram import FakeTelegram

LEASE_SECONDS = 1.5
ERRAND_SECONDS = 300
"""What somebody does who waits for something first; `settle` waits for all of them."""
PLAIN = range(101, 113)
SLOW, MODEL_AWAY, MODEL_NEVER, THROTTLED, REFUSED, COMMANDS, LINKING, REMINDED = range(113, 121)
SILENT_BELL = 121
STRANGER = 200
SPLIT = (*ROLES, "turns", "deliveries")
"""A process for each scale group, and a second one for turns and for deliveries."""
CODE = re.compile(r"/link ([0-9A-Z]{4}-[0-9A-Z]{4})")


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class NotInTime(AssertionError):
    """What was waited for did not come."""


async def until(condition: Callable[[], Awaitable[Any] | Any], *, seconds: float, what: str) -> Any:
    """Poll a condition until it holds; return what it gave. Raises NotInTime with `what` when it does not."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        result = condition()
        if isinstance(result, Awaitable):
            result = await result
        if result:
            return result
        if loop.time() >= deadline:
            raise NotInTime(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(0.02)


class Stage:
    """Everything that one test needs; `round` lets the people write once more."""

    def __init__(self, home: Path, nursery: Nursery, telegram: FakeTelegram, **settings: str) -> None:
        self.home = home
        self.telegram = telegram
        self.port = free_port()
        self.journal = home.parent / f"{home.name}.journal"
        self.signs = home.parent / f"{home.name}.signs"
        self.signs.mkdir()
        self.traffic = Traffic(self.port)
        self.hosts: list[Host] = []
        self._nursery = nursery
        self._rounds = itertools.count(1)
        self._settings = settings
        self._extra: list[Said] = []
        self._errands: list[asyncio.Task[None]] = []
        self._keepers: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        await self.traffic.open()

    async def close(self) -> None:
        """Kill what still runs."""
        for task in (*self._keepers, *self._errands):
            task.cancel()
        await asyncio.gather(*self._keepers, *self._errands, return_exceptions=True)
        for host in self.hosts:
            host.signal(signal.SIGKILL)
        for host in self.hosts:
            await host.end()
        await self.traffic.close()

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
        """Start every scale group in a process of its own, two for turns and for deliveries, and keep them running.

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
        for task in (*self._keepers, *self._errands):
            if task.done() and not task.cancelled():
                task.result()

    def steps(self) -> list[Reached]:
        """What the hosts have noted so far."""
        return read_journal(self.journal)

    def carried_out(self, plan: Plan) -> bool:
        """True when a host has killed or frozen itself as planned."""
        self._raise_what_went_wrong()
        return any(reached.acted and plan.is_at(reached) for reached in self.steps())

    # --- people ---

    async def round(self) -> None:
        """Everybody writes; together they cause every durable step."""
        n = next(self._rounds)
        say = self.traffic.say
        for kind, chat in (("slow_down", THROTTLED), ("refuse", REFUSED)):
            if not any(fault.chat == chat for fault in self.telegram.faults):
                self.telegram.fault(kind, method="sendMessage", chat=chat, times=1)
        say(SLOW, f"{SLOWLY} 0.7 c{SLOW} r{n} n1")
        say(SLOW, f"c{SLOW} r{n} n2")
        say(SLOW, "/status")
        for turn in (1, 2, 3):
            for chat in PLAIN:
                say(chat, f"c{chat} r{n} n{turn}")
        say(MODEL_AWAY, f"{AWAY} c{MODEL_AWAY} r{n} n1")
        say(MODEL_NEVER, f"{NEVER} c{MODEL_NEVER} r{n} n1")
        for chat in (MODEL_AWAY, MODEL_NEVER, THROTTLED, REFUSED):
            say(chat, f"c{chat} r{n} n2")
        for text in ("/help", f"c{COMMANDS} r{n} n1", "/new", f"c{COMMANDS} r{n} n2", "/start"):
            say(COMMANDS, text)
        say(LINKING, "/link")
        say(REMINDED, f"remind me in 0.02 minutes to c{REMINDED} r{n}")
        say(REMINDED, f"c{REMINDED} r{n} n1")
        self._say_something_unreadable(n)
        self._errands += [asyncio.create_task(self._link(n)), asyncio.create_task(self._write_on_the_page(n))]
        self._errands.append(asyncio.create_task(self._lose_a_bell(n)))
        await self._queue_garbage(n)

    def _say_something_unreadable(self, n: int) -> None:
        chat = STRANGER + 50 + n
        place = {"id": chat, "type": "private"}
        message = updates.message("", chat=place, sender={"id": chat, "is_bot": False, "first_name": "X"})
        self.traffic.deliver(chat, "", {**message, "text": n})

    async def _link(self, n: int) -> None:
        """A stranger becomes the person who asked for a code."""

        def code() -> str | None:
            codes = [found[1] for text in self._spoken(LINKING) if (found := CODE.search(text))]
            return codes[n - 1] if len(codes) >= n else None

        chat = STRANGER + n
        self.traffic.say(chat, f"/link {await until(code, seconds=ERRAND_SECONDS, what='a code for /link')}")
        self.traffic.say(chat, f"c{chat} r{n} n1")

    def _spoken(self, chat: int) -> list[str]:
        """The texts of a chat, each once."""
        return list(dict.fromkeys(truth.unlabelled(text) for text in truth.texts(self.telegram, chat)))

    async def _lose_a_bell(self, n: int) -> None:
        """An event that arrived two minutes ago, and whose bell got lost; nobody has just started who looks for such."""
        first = f"c{PLAIN[0]} r{n} n1"
        await until(
            lambda: any(truth.echoed(text) == first for text in truth.texts(self.telegram, PLAIN[0])),
            seconds=ERRAND_SECONDS,
            what="the round's first reply",
        )
        now = datetime.now(UTC) - timedelta(minutes=2)
        said = Said(SILENT_BELL, f"c{SILENT_BELL} r{n} n1", {"update_id": f"silent-{n}"}, taken=True)
        event = InboundEvent(
            id=said.event,
            tenant="main",
            channel="telegram",
            account=str(updates.BOT_ID),
            chat=str(SILENT_BELL),
            kind=EventKind.MESSAGE,
            sender=Sender(external_id=str(SILENT_BELL)),
            text=said.text,
            received_at=now,
        )
        store = truth.open_store(self.home)
        partition = ConversationPartition(store=store, tenant="main", conversation=conversation(SILENT_BELL))
        await arrive(partition, event=event, decide=lambda _: None, render=lambda _: (), on_page=False, now=now)
        await store.close()
        self._extra.append(said)

    async def _queue_garbage(self, n: int) -> None:
        """What no version of ours has ever queued."""
        broker = SqliteBroker(path=self.home / QUEUES_FILE, sync=Sync.NORMAL, clock=SystemClock())
        message = QueueMessage(body=f"garbage {n}".encode(), id=ids.fresh(), session="garbage")
        await broker.send(step=Step.ENQUEUE, queue=INBOUND, messages=[message])
        await broker.close()

    async def _write_on_the_page(self, n: int) -> None:
        """A person writes on the web page; what is done for them is shown there."""
        origin = f"http://127.0.0.1:{self.port}"
        body = {"id": f"page-{n}", "text": f"{SLOWLY} 0.8 page r{n}"}
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:

            async def taken() -> bool:
                try:
                    async with http.get(f"{origin}/api/chat") as page:
                        await page.read()
                    async with http.post(f"{origin}/api/webhooks/web", json=body, headers={"Origin": origin}) as sent:
                        return 200 <= sent.status < 300
                except (aiohttp.ClientError, OSError):
                    return False

            await until(taken, seconds=ERRAND_SECONDS, what="the page takes a message")

    # --- the end ---

    async def settle(self, *, seconds: float = 40) -> None:
        """Wait until everything that was said is dealt with."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        await asyncio.wait_for(asyncio.gather(*self._errands), seconds)
        store = truth.open_store(self.home)
        try:
            left: list[str] = []

            async def quiet() -> bool:
                self._raise_what_went_wrong()
                left[:] = await truth.unfinished(store, self.home)
                return self.traffic.all_taken and not left

            try:
                await until(quiet, seconds=deadline - loop.time(), what="quiet")
            except NotInTime as late:
                raise NotInTime(f"{late}: {left}") from None
        finally:
            await store.close()

    async def complaints(self) -> list[str]:
        """Everything that is not as promised."""
        store = truth.open_store(self.home)
        try:
            return await truth.complaints(store, self.home, self.telegram, [*self.traffic.said, *self._extra])
        finally:
            await store.close()

    async def dead_letters(self) -> list[DeadLetter]:
        """The open dead letters."""
        store = truth.open_store(self.home)
        try:
            return await truth.dead_letters(store)
        finally:
            await store.close()
