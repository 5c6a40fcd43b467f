"""Turns: a bell rings for a conversation, and its mailbox is drained."""

from __future__ import annotations

import azure.functions as func

from shared import app, topology
from shared.messages import Bell

blueprint = func.Blueprint()


@blueprint.function_name("turns")
@blueprint.service_bus_queue_trigger(arg_name="message", queue_name=topology.TURNS, connection="ServiceBusConnection")
async def turns(message: func.ServiceBusMessage) -> None:
    """Answer one bell."""
    await app.current().turns.answer(Bell.model_validate_json(message.get_body()))
