"""Background: the work that nobody waits for."""

from __future__ import annotations

import azure.functions as func

from shared import app, topology
from shared.messages import Bell

blueprint = func.Blueprint()


@blueprint.function_name("background")
@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name=topology.BACKGROUND, connection="ServiceBusConnection"
)
async def background(message: func.ServiceBusMessage) -> None:
    """Answer one bell: for a conversation's mailbox, or for its summary."""
    await app.current().background.answer(Bell.model_validate_json(message.get_body()))
