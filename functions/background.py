"""Background: the work that nobody waits for."""

from __future__ import annotations

import azure.durable_functions as df
import azure.functions as func

from functions.orchestrations import DurableOrchestrations
from shared import app, topology
from shared.messages import Bell

blueprint = df.Blueprint()


@blueprint.function_name("background")
@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name=topology.BACKGROUND, connection="ServiceBusConnection"
)
@blueprint.durable_client_input(client_name="client")
async def background(message: func.ServiceBusMessage, client: df.DurableOrchestrationClient) -> None:
    """Answer one bell: for a conversation's mailbox, or for its summary."""
    current = app.current()
    current.orchestrations = DurableOrchestrations(client)
    await current.background.answer(Bell.model_validate_json(message.get_body()))
