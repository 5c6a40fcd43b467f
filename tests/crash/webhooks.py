"""Somebody's webhooks, which take what is posted and answer well, badly, late or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tests.fakes.webhook_receiver import Posted, WebhookReceiver, receiving


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Each takes every post. What differs is what the poster hears."""

    taking: WebhookReceiver
    broken: WebhookReceiver
    """It answers 500: nobody knows whether it did what it was asked for."""
    cutting: WebhookReceiver
    """It cuts the connection."""
    holding: WebhookReceiver
    """It holds its answer until it is released."""

    @property
    def all(self) -> tuple[WebhookReceiver, ...]:
        return self.taking, self.broken, self.cutting, self.holding

    @property
    def setting(self) -> str:
        """What PRAXOS_WEBHOOKS has to be."""
        return ",".join(one.url for one in self.all)

    def posted(self, text: str) -> list[Posted]:
        """Every request that brought a text."""
        return [one for one in self.requests() if one.text == text]

    def requests(self) -> Iterator[Posted]:
        """Everything that was posted."""
        return (request for one in self.all for request in one.requests)


@asynccontextmanager
async def webhooks() -> AsyncIterator[Webhooks]:
    """Webhooks that take posts inside the block."""
    async with AsyncExitStack() as stack:
        taking, broken, cutting, holding = [await stack.enter_async_context(receiving()) for _ in range(4)]
        broken.answer(500, "no")
        cutting.drop()
        holding.hold()
        yield Webhooks(taking=taking, broken=broken, cutting=cutting, holding=holding)
