"""How a test makes dead letters and replays them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.conversation.dead_letter_records import DeadLetter
from shared.messages import InboundEvent, Permanent, QueueUnavailable
from shared.pipeline.dead_letter_views import Summary, letter_id
from shared.pipeline.webhook import Inbound
from shared.steps import Step
from tests.fakes.world import World

LONG = "x" * 100
"""With what the fake assistant puts before it: three parts."""
WHO = "ann@example"


async def only(world: World) -> Summary:
    """The one open dead letter."""
    [letter] = (await world.app.dead_letter_actions.list()).letters
    return letter


async def replay(world: World, id: str = "", **arguments: str) -> Summary:
    id = id or (await only(world)).id
    return await world.app.dead_letter_actions.replay(id, who=WHO, **arguments)


async def stored(world: World, id: str, chat: str = "chat") -> DeadLetter:
    """A dead letter of a conversation as it is in the store, open or not."""
    documents = await world.app.store.query(partition=world.partition(chat).key, kind="dead_letter")
    [body] = [document.body for document in documents if letter_id(document.partition, document.id) == id]
    return DeadLetter.model_validate(body)


async def a_dead_message(world: World, text: str = "hello", **changes: Any) -> InboundEvent:
    world.assistant.troubles.append(Permanent("no such model"))
    made = await world.arrive(text, **changes)
    await world.settle()
    return made


async def lose_the_bells_of_replays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    send = world.app.queue.send

    async def away(*, step: Step, **arguments: Any) -> None:
        if step is Step.RING_REPLAY:
            raise QueueUnavailable("away")
        await send(step=step, **arguments)

    monkeypatch.setattr(world.app.queue, "send", away)


def meet_before_the_first(store: Any, *steps: Step, barrier: asyncio.Barrier) -> None:
    """Both have read what they read before either writes."""
    batch, met = store.batch, []

    async def wait(*, step: Step, **arguments: Any) -> Any:
        if step in steps and not met:
            met.append(step)
            await barrier.wait()
        return await batch(step=step, **arguments)

    store.batch = wait


async def an_event_of_a_channel_that_is_off(world: World, text: str = "hello") -> InboundEvent:
    made = world.say(text)
    world.app._channels["fake"] = None
    await world.app.intake.receive(Inbound(event=made).model_dump_json().encode())
    return made
