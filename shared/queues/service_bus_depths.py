"""How much waits at Service Bus, as far as an identity that only receives can see.

Exact counts need the right to manage the namespace, which the app has no other use for. So the first messages are peeked
at: that locks nothing and takes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from azure.core.exceptions import AzureError
from azure.servicebus import ServiceBusMessageState, ServiceBusReceivedMessage, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient

from shared.messages import QueueUnavailable
from shared.ports import QueueDepth
from shared.topology import QueueSettings

PEEKED = 100
"""How many messages are looked at, and how many sessions the SDK lists on a page: what reaches it may be more."""
LOOK_SECONDS = 15.0


async def depth(connect: Callable[[], ServiceBusClient], queue: str, settings: QueueSettings) -> QueueDepth:
    """The depth of one queue, over connections of its own. Raises QueueUnavailable."""
    try:
        async with asyncio.timeout(LOOK_SECONDS), connect() as client:
            dead = await _peek(client, queue, dead=True)
            if settings.requires_session:
                # A session's messages are seen only by who locks it: the sessions that have some are counted.
                listed = client.list_queue_sessions(queue, timeout=LOOK_SECONDS)
                sessions = len([name async for name in await anext(listed.by_page())])
                return QueueDepth(
                    queue=queue,
                    waiting=sessions,
                    oldest=None,
                    scheduled=0,
                    dead_letters=len(dead),
                    at_least=PEEKED in (sessions, len(dead)),
                    sessions=True,
                )
            peeked = await _peek(client, queue, dead=False)
    except (AzureError, OSError, TimeoutError, ValueError) as error:
        raise QueueUnavailable(
            f"{queue}: Service Bus did not show it; that needs the role Azure Service Bus Data Receiver: "
            f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        ) from error
    scheduled = sum(message.state is ServiceBusMessageState.SCHEDULED for message in peeked)
    times = [
        message.enqueued_time_utc
        for message in peeked
        if message.state is not ServiceBusMessageState.SCHEDULED and message.enqueued_time_utc
    ]
    return QueueDepth(
        queue=queue,
        waiting=len(peeked) - scheduled,
        oldest=min(times, default=None),
        scheduled=scheduled,
        dead_letters=len(dead),
        at_least=PEEKED in (len(peeked), len(dead)),
    )


async def _peek(client: ServiceBusClient, queue: str, *, dead: bool) -> list[ServiceBusReceivedMessage]:
    sub_queue = ServiceBusSubQueue.DEAD_LETTER if dead else None
    async with client.get_queue_receiver(queue, sub_queue=sub_queue) as receiver:
        return await receiver.peek_messages(max_message_count=PEEKED, timeout=LOOK_SECONDS)
