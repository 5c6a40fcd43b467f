"""Webhooks: what the platforms send."""

from __future__ import annotations

import azure.functions as func

from functions.http import unwrap, wrap
from shared import app

blueprint = func.Blueprint()


@blueprint.function_name("webhooks")
@blueprint.route("webhooks/{channel}", methods=["GET", "POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def webhooks(req: func.HttpRequest) -> func.HttpResponse:
    """Verify, normalise, enqueue, respond. A 2xx means that the event is committed to the queue."""
    return wrap(await app.current().webhooks.handle(name=req.route_params["channel"], request=unwrap(req)))
