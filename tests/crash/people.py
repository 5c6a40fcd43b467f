"""People in some forty chats: what they write in a round makes the assistant take every durable step."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from shared import ids
from shared.clock import SystemClock
from shared.conversation.mailbox import arrive
from shared.conversation.partition import ConversationPartition, entry_id
from shared.messages import EventKind, InboundEvent, Sender
from shared.pipeline.dead_letters import dead_letter_id
from shared.ports import Partition, QueueMessage
from shared.queues.sqlite import FILE as QUEUES_FILE
from shared.queues.sqlite import SqliteBroker
from shared.settings import Sync
from shared.steps import Step
from shared.topology import INBOUND
from tests.crash import truth
from tests.crash.host import AWAY, NEVER, SLOWLY
from tests.crash.long_runs import LongRuns
from tests.crash.operators import Operator
from tests.crash.traffic import Said, Traffic, conversation
from tests.crash.waiting import until
from tests.crash.webhooks import Webhooks
from tests.fakes import telegram_updates as updates
from tests.fakes.telegram import FakeTelegram

ERRAND_SECONDS = 300
"""What somebody does who waits for something first; `settle` waits for all of them."""
PLAIN = range(101, 113)
SLOW, MODEL_AWAY, MODEL_NEVER, THROTTLED, REFUSED, COMMANDS, LINKING, REMINDED = range(113, 121)
APPROVER = LINKING
"""Who approves for everybody, and has more than one chat."""
SILENT_BELL = 121
STRANGER = 200
CODE = re.compile(r"/link ([0-9A-Z]{4}-[0-9A-Z]{4})")


class People:
    """They write, and some of them wait for something before they go on: those are the errands."""

    def __init__(self, home: Path, traffic: Traffic, telegram: FakeTelegram, webhooks: Webhooks) -> None:
        self.errands: list[asyncio.Task[None]] = []
        self._home = home
        self._traffic = traffic
        self._telegram = telegram
        self._long = LongRuns(home, traffic, telegram, webhooks, approver=APPROVER, patience=ERRAND_SECONDS)
        self._operator = Operator(home, traffic.port, patience=ERRAND_SECONDS)
        self._rounds = itertools.count(1)
        self._unposted: list[Said] = []

    @property
    def said(self) -> list[Said]:
        """Everything that was said, in order within each chat."""
        return [*self._traffic.said, *self._unposted]

    @property
    def unsaid(self) -> list[str]:
        """Who still waits to say something, and what the webhook has not taken yet."""
        waiting = [f"errand {errand.get_coro()}" for errand in self.errands if not errand.done()]
        return waiting + [f"{said.text or said.pressed!r} not taken" for said in self._traffic.said if not said.taken]

    async def round(self) -> None:
        """Everybody writes; together they cause every durable step."""
        n = next(self._rounds)
        say = self._traffic.say
        for kind, chat in (("slow_down", THROTTLED), ("refuse", REFUSED)):
            if not any(fault.chat == chat for fault in self._telegram.faults):
                self._telegram.fault(kind, method="sendMessage", chat=chat, times=1)
        say(SLOW, "/queue followup")
        say(SLOW, f"{SLOWLY} 0.7 c{SLOW} r{n} n1")
        say(SLOW, f"c{SLOW} r{n} n2")
        say(SLOW, "/status")
        for turn in (1, 2, 3):
            for chat in PLAIN:
                say(chat, f"c{chat} r{n} n{turn}")
        say(MODEL_AWAY, f"{AWAY} c{MODEL_AWAY} r{n} n1")
        hopeless = say(MODEL_NEVER, f"{NEVER} c{MODEL_NEVER} r{n} n1")
        for chat in (MODEL_AWAY, MODEL_NEVER, THROTTLED, REFUSED):
            say(chat, f"c{chat} r{n} n2")
        for text in ("/help", f"c{COMMANDS} r{n} n1", "/new", f"c{COMMANDS} r{n} n2", "/start"):
            say(COMMANDS, text)
        say(LINKING, f"c{LINKING} r{n} n1")
        say(LINKING, "/link")
        say(REMINDED, f"remind me in 0.02 minutes to c{REMINDED} r{n}")
        say(REMINDED, f"c{REMINDED} r{n} n1")
        self._say_something_unreadable(n)
        self.errands += [asyncio.create_task(self._link(n)), asyncio.create_task(self._write_on_the_page(n))]
        self.errands.append(asyncio.create_task(self._lose_a_bell(n)))
        garbage = f"garbage {n}".encode()
        self.errands += [asyncio.create_task(errand) for errand in self._long.round(n)]
        for said in (hopeless, self._long.hopeless):
            self.errands.append(asyncio.create_task(self._try_again(said)))
        self.errands.append(asyncio.create_task(self._put_aside(garbage)))
        await self._queue(garbage)

    def _say_something_unreadable(self, n: int) -> None:
        chat = STRANGER + 50 + n
        place = {"id": chat, "type": "private"}
        message = updates.message("", chat=place, sender={"id": chat, "is_bot": False, "first_name": "X"})
        self._traffic.deliver(chat, "", {**message, "text": n})

    async def _link(self, n: int) -> None:
        """A stranger becomes the person who asked for a code."""

        def code() -> str | None:
            codes = [found[1] for text in self._spoken(LINKING) if (found := CODE.search(text))]
            return codes[n - 1] if len(codes) >= n else None

        chat = STRANGER + n
        self._traffic.say(chat, f"/link {await until(code, seconds=ERRAND_SECONDS, what='a code for /link')}")
        self._traffic.say(chat, f"c{chat} r{n} n1")
        await self._long.answer_elsewhere(n, chat)

    def _spoken(self, chat: int) -> list[str]:
        """The texts of a chat, each once."""
        return list(dict.fromkeys(truth.unlabelled(text) for text in truth.texts(self._telegram, chat)))

    async def _lose_a_bell(self, n: int) -> None:
        """An event that arrived two minutes ago, and whose bell got lost; nobody has just started who looks for such."""
        first = f"c{PLAIN[0]} r{n} n1"
        await until(
            lambda: any(truth.echoed(text) == first for text in truth.texts(self._telegram, PLAIN[0])),
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
        store = truth.open_store(self._home)
        partition = ConversationPartition(store=store, tenant="main", conversation=conversation(SILENT_BELL))
        await arrive(partition, event=event, decide=lambda _: None, render=lambda _: (), on_page=False, now=now)
        await store.close()
        self._unposted.append(said)

    async def _try_again(self, said: Said) -> None:
        """An operator replays what no model will answer: it fails again."""
        partition = Partition("main", ids.partition(conversation(said.chat)))
        await self._operator.replay(partition, dead_letter_id(entry_id(said.event)))

    async def _put_aside(self, garbage: bytes) -> None:
        """An operator discards what nobody can read."""
        unrouted = ids.unrouted(tenant="main", channel="queue", account=INBOUND)
        subject = hashlib.sha256(garbage).hexdigest()
        await self._operator.discard(Partition("main", ids.partition(unrouted)), dead_letter_id(subject))

    async def _queue(self, garbage: bytes) -> None:
        """What no version of ours has ever queued."""
        broker = SqliteBroker(path=self._home / QUEUES_FILE, sync=Sync.NORMAL, clock=SystemClock())
        message = QueueMessage(body=garbage, id=ids.fresh(), session="garbage")
        await broker.send(step=Step.ENQUEUE, queue=INBOUND, messages=[message])
        await broker.close()

    async def _write_on_the_page(self, n: int) -> None:
        """A person writes on the web page; what is done for them is shown there."""
        origin = f"http://127.0.0.1:{self._traffic.port}"
        body = {"id": f"page-{n}", "text": f"{SLOWLY} 0.5 page r{n}"}
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
