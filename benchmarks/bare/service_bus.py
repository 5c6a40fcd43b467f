"""A bare Functions app with Azure's SDKs: one HTTP function that sends on what it gets. Arguments: connection, queue, port."""

from __future__ import annotations

import sys
import uuid

import azure.durable_functions as df
import azure.functions as func
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender

from benchmarks.bare.host import serve

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
senders: list[ServiceBusSender] = []


@app.route("webhook", methods=["POST"])
async def webhook(req: func.HttpRequest) -> func.HttpResponse:
    """Send, then answer."""
    if not senders:
        senders.append(ServiceBusClient.from_connection_string(sys.argv[1]).get_queue_sender(sys.argv[2]))
    await senders[0].send_messages(ServiceBusMessage(req.get_body(), message_id=str(uuid.uuid4()), session_id="one"))
    return func.HttpResponse(b"{}", mimetype="application/json")


if __name__ == "__main__":
    [function] = app.get_functions()
    serve(function.get_user_function(), path="/api/webhook", port=int(sys.argv[3]), route_params={})
