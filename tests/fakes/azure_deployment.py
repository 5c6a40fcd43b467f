"""The pipeline on the real Azure SDKs in this process: servers that stand for Azure's, and what stands for its host."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from shared.app import App
from shared.messages import Bell
from shared.ports import WebhookRequest
from shared.topology import BACKGROUND, DEAD_LETTERS, INBOUND, OUTBOUND, QUEUES, TURNS
from tests.fakes import certificates, key_vault
from tests.fakes.artemis import Arrived, Artemis
from tests.fakes.cosmos.front import KEY, Front
from tests.fakes.orchestrations import FakeOrchestrations

T = TypeVar("T")

ENDPOINT, ENDPOINT_KEY = "COSMOS_ENDPOINT", "COSMOS_KEY"
"""A real account, or an emulator, to ask in place of our own front."""


class AzureDeployment:
    """An App whose store, queues and secrets are Azure's SDKs; it is handed what it sends, as the Functions host does."""

    def __init__(self, app: App, *, artemis: Artemis, vault: key_vault.KeyVault) -> None:
        self.app = app
        self.sent: list[tuple[str, Arrived]] = []
        """Every message that was handed on, and the queue that it came from."""
        self._artemis = artemis
        self._vault = vault
        self._seen = dict.fromkeys(QUEUES, 0)
        self._later: list[tuple[datetime, str, Arrived]] = []
        self._orchestrations = FakeOrchestrations()
        app.orchestrations = self._orchestrations

    @property
    def sends(self) -> int:
        """AMQP transfers so far; a batch is one."""
        return sum(len(self._artemis.transfers(queue)) for queue in QUEUES)

    @property
    def secrets(self) -> int:
        """Requests to the vault so far."""
        return len(self._vault.calls)

    async def post(self, body: bytes, headers: dict[str, str]) -> None:
        """Post an update to Telegram's webhook, and hand on what comes of it until nothing more does."""
        request = WebhookRequest(method="POST", url="/api/webhooks/telegram", headers=headers, query={}, body=body)
        response = await _apart(self.app.webhooks.handle(name="telegram", request=request))
        if response.status != 200:
            raise RuntimeError(f"the webhook answered {response.status}")
        await self._settle()

    async def _settle(self) -> None:
        while True:
            arrived = self._arrived()
            for queue, message in arrived:
                await _apart(self._handle(queue, message.body))
            if arrived:
                continue
            if await _apart(self._orchestrations.look(self.app.runs)) is None and not await self._pass():
                return

    def _arrived(self) -> list[tuple[str, Arrived]]:
        """What is to be handled now; what is scheduled is kept for its time."""
        now = datetime.now(UTC)
        for queue in QUEUES:
            transfers = self._artemis.transfers(queue)
            for transfer in transfers[self._seen[queue] :]:
                self._later += [(message.scheduled or now, queue, message) for message in transfer.messages]
            self._seen[queue] = len(transfers)
        found = [(queue, message) for at, queue, message in self._later if at <= now]
        self._later = [one for one in self._later if one[0] > now]
        self.sent += found
        return found

    async def _pass(self) -> bool:
        """Wait for the next scheduled message. False where there is none."""
        if not self._later:
            return False
        await asyncio.sleep(max(0.0, (min(at for at, _, _ in self._later) - datetime.now(UTC)).total_seconds()))
        return True

    async def _handle(self, queue: str, body: bytes) -> None:
        stages: dict[str, Callable[[], Callable[[bytes], Awaitable[None]]]] = {
            INBOUND: lambda: self.app.intake.receive,
            DEAD_LETTERS: lambda: self.app.dead_letters.tell,
            TURNS: lambda: lambda bell: self.app.turns.answer(Bell.model_validate_json(bell)),
            BACKGROUND: lambda: lambda bell: self.app.background.answer(Bell.model_validate_json(bell)),
            OUTBOUND: lambda: lambda bell: self.app.deliveries.answer(Bell.model_validate_json(bell)),
        }
        await stages[queue]()(body)


async def _apart(work: Awaitable[T]) -> T:
    """Do it as an invocation of its own, which knows nothing of the one before."""

    async def alone() -> T:
        return await work

    return await asyncio.get_running_loop().create_task(alone(), context=contextvars.Context())


@asynccontextmanager
async def deployed(home: Path, *, artemis: Artemis, **environ: str) -> AsyncIterator[AzureDeployment]:
    """One, on servers of this machine and a given AMQP server, or on the Cosmos DB account that the environment names."""
    async with AsyncExitStack() as stack:
        vault = await stack.enter_async_context(key_vault.serving(certificates.for_loopback(home)))
        endpoint, key = os.environ.get(ENDPOINT, ""), os.environ.get(ENDPOINT_KEY, "")
        if not endpoint:
            front = Front(home / "cosmos")
            [endpoint], key = await front.start(), KEY
            stack.push_async_callback(front.stop)
        azure = {
            "PRAXOS_HOME": str(home),
            "PRAXOS_MODEL": "demo",
            "PRAXOS_STORE": "cosmos",
            "PRAXOS_COSMOS_ENDPOINT": endpoint,
            "PRAXOS_COSMOS_KEY": key,
            "PRAXOS_QUEUE": "servicebus",
            "ServiceBusConnection": artemis.connection_string,
        }
        app = App(environ={**azure, **environ})
        # The vault of this machine has a certificate and a token of its own, which no setting is for.
        app.__dict__["secrets"] = key_vault.secrets(vault, app.clock)
        stack.push_async_callback(app.close)
        yield AzureDeployment(app, artemis=artemis, vault=vault)
