"""Dead letters: people are told, and what the broker gave up on is recorded."""

from __future__ import annotations

import azure.functions as func

from shared import app, topology
from shared.topology import DEAD_LETTER_SUFFIX

blueprint = func.Blueprint()

CONNECTION = "ServiceBusConnection"


@blueprint.function_name("dead_letters")
@blueprint.service_bus_queue_trigger(arg_name="message", queue_name=topology.DEAD_LETTERS, connection=CONNECTION)
async def dead_letters(message: func.ServiceBusMessage) -> None:
    """Tell the person what could not be done."""
    await app.current().dead_letters.tell(message.get_body())


@blueprint.function_name("dead_letters_inbound")
@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name=topology.INBOUND + DEAD_LETTER_SUFFIX, connection=CONNECTION
)
async def dead_letters_inbound(message: func.ServiceBusMessage) -> None:
    """Put an event that the broker gave up on into its mailbox, late and marked so."""
    await app.current().intake.receive(message.get_body(), late=True)


async def _bell(message: func.ServiceBusMessage, queue: str) -> None:
    await app.current().dead_letters.bell_given_up(
        message.get_body(), queue=queue, reason=message.dead_letter_reason or ""
    )


@blueprint.function_name("dead_letters_turns")
@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name=topology.TURNS + DEAD_LETTER_SUFFIX, connection=CONNECTION
)
async def dead_letters_turns(message: func.ServiceBusMessage) -> None:
    """Read a bell of `turns` that the broker gave up on."""
    await _bell(message, topology.TURNS)


@blueprint.function_name("dead_letters_background")
@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name=topology.BACKGROUND + DEAD_LETTER_SUFFIX, connection=CONNECTION
)
async def dead_letters_background(message: func.ServiceBusMessage) -> None:
    """Read a bell of `background` that the broker gave up on."""
    await _bell(message, topology.BACKGROUND)


@blueprint.function_name("dead_letters_outbound")
@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name=topology.OUTBOUND + DEAD_LETTER_SUFFIX, connection=CONNECTION
)
async def dead_letters_outbound(message: func.ServiceBusMessage) -> None:
    """Read a bell of `outbound` that the broker gave up on."""
    await _bell(message, topology.OUTBOUND)


@blueprint.function_name("dead_letters_dead_letters")
@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name=topology.DEAD_LETTERS + DEAD_LETTER_SUFFIX, connection=CONNECTION
)
async def dead_letters_dead_letters(message: func.ServiceBusMessage) -> None:
    """Read a bell of `dead-letters` that the broker gave up on."""
    await _bell(message, topology.DEAD_LETTERS)
