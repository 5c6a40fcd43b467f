"""Webhooks: what the platforms send."""

from __future__ import annotations

import azure.functions as func

from shared import app
from shared.ports import WebhookRequest

blueprint = func.Blueprint()


@blueprint.function_name("webhooks")
@blueprint.route("webhooks/{channel}", methods=["GET", "POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def webhooks(req: func.HttpRequest) -> func.HttpResponse:
    """Verify, normalise, enqueue, respond. A 2xx means that the event is committed to the queue."""
    answer = await app.current().webhooks.handle(
        name=req.route_params["channel"],
        request=WebhookRequest(
            method=req.method,
            url=req.url,
            headers={name.lower(): value for name, value in req.headers.items()},
            query=dict(req.params),
            body=req.get_body(),
        ),
    )
    return func.HttpResponse(
        answer.body, status_code=answer.status, mimetype=answer.media_type, headers=dict(answer.headers)
    )
