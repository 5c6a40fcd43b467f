"""Intake: events into their mailboxes, in the order of their session."""

from __future__ import annotations

import azure.functions as func

from shared import app, topology

blueprint = func.Blueprint()


@blueprint.function_name("intake")
@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name=topology.INBOUND, connection="ServiceBusConnection", is_sessions_enabled=True
)
async def intake(message: func.ServiceBusMessage) -> None:
    """Take one event."""
    await app.current().intake.receive(message.get_body())
