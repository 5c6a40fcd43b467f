"""Turns: a bell rings for a conversation, and its mailbox is drained; or for a run, and its orchestration is woken."""

from __future__ import annotations

import azure.durable_functions as df
import azure.functions as func

from functions.orchestrations import DurableOrchestrations
from shared import app, topology
from shared.messages import Bell

blueprint = df.Blueprint()


@blueprint.function_name("turns")
@blueprint.service_bus_queue_trigger(arg_name="message", queue_name=topology.TURNS, connection="ServiceBusConnection")
@blueprint.durable_client_input(client_name="client")
async def turns(message: func.ServiceBusMessage, client: df.DurableOrchestrationClient) -> None:
    """Answer one bell."""
    current = app.current()
    current.orchestrations = DurableOrchestrations(client)
    await current.turns.answer(Bell.model_validate_json(message.get_body()))
