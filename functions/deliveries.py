"""Deliveries: replies out to the platforms."""

from __future__ import annotations

import azure.functions as func

from shared import app, topology
from shared.messages import Bell

blueprint = func.Blueprint()


@blueprint.function_name("deliveries")
@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name=topology.OUTBOUND, connection="ServiceBusConnection"
)
async def deliveries(message: func.ServiceBusMessage) -> None:
    """Answer one bell."""
    await app.current().deliveries.answer(Bell.model_validate_json(message.get_body()))
