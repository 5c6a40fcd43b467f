"""Health: is the process alive, and can it do its work."""

from __future__ import annotations

import json

import azure.functions as func

from shared import app

blueprint = func.Blueprint()


@blueprint.function_name("health_live")
@blueprint.route("health/live", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health_live(req: func.HttpRequest) -> func.HttpResponse:
    """200 as long as the process answers."""
    return func.HttpResponse('{"status": "alive"}', mimetype="application/json")


@blueprint.function_name("health_ready")
@blueprint.route("health/ready", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health_ready(req: func.HttpRequest) -> func.HttpResponse:
    """200 when the store and the queue answer, 503 with what does not."""
    problems = await app.current().problems()
    body = json.dumps({"status": "not ready" if problems else "ready", "problems": problems})
    return func.HttpResponse(body, status_code=503 if problems else 200, mimetype="application/json")
