"""Operations: what the people who run a deployment do. Each needs a key of the function app."""

from __future__ import annotations

import azure.functions as func

from functions.http import unwrap, wrap
from shared import app

blueprint = func.Blueprint()


@blueprint.function_name("dead_letters_list")
@blueprint.route("operations/dead-letters", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def dead_letters_list(req: func.HttpRequest) -> func.HttpResponse:
    """The open dead letters, or all of one conversation."""
    return wrap(await app.current().operations.list_dead_letters(request=unwrap(req)))


@blueprint.function_name("dead_letter_show")
@blueprint.route("operations/dead-letters/{id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def dead_letter_show(req: func.HttpRequest) -> func.HttpResponse:
    """Everything about one."""
    return wrap(await app.current().operations.show_dead_letter(request=unwrap(req), id=req.route_params["id"]))


@blueprint.function_name("dead_letter_replay")
@blueprint.route("operations/dead-letters/{id}/replay", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def dead_letter_replay(req: func.HttpRequest) -> func.HttpResponse:
    """Try what it is about again."""
    return wrap(await app.current().operations.replay_dead_letter(request=unwrap(req), id=req.route_params["id"]))


@blueprint.function_name("dead_letter_discard")
@blueprint.route("operations/dead-letters/{id}/discard", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def dead_letter_discard(req: func.HttpRequest) -> func.HttpResponse:
    """Put it aside for good."""
    return wrap(await app.current().operations.discard_dead_letter(request=unwrap(req), id=req.route_params["id"]))


@blueprint.function_name("timeline_show")
@blueprint.route("operations/timeline", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def timeline_show(req: func.HttpRequest) -> func.HttpResponse:
    """What happened to one event, or in one conversation."""
    return wrap(await app.current().operations.show_timeline(request=unwrap(req)))


@blueprint.function_name("queues_show")
@blueprint.route("operations/queues", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def queues_show(req: func.HttpRequest) -> func.HttpResponse:
    """How much waits in each queue, and for how long."""
    return wrap(await app.current().operations.show_queues(request=unwrap(req)))
