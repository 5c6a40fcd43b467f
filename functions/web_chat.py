"""The web chat: its page, and what the page reads. What its people say comes in through the webhooks."""

from __future__ import annotations

import azure.functions as func

from functions.http import unwrap, wrap
from shared import app

blueprint = func.Blueprint()


@blueprint.function_name("chat_page")
@blueprint.route("chat", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def chat_page(req: func.HttpRequest) -> func.HttpResponse:
    """The page, with a session cookie where this machine signs people in."""
    return wrap(await app.current().web_chat.page(request=unwrap(req)))


@blueprint.function_name("chat_asset")
@blueprint.route("chat/assets/{name}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def chat_asset(req: func.HttpRequest) -> func.HttpResponse:
    """A file that the page is made of."""
    return wrap(await app.current().web_chat.asset(request=unwrap(req), name=req.route_params["name"]))


@blueprint.function_name("chat_events")
@blueprint.route("chat/events", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def chat_events(req: func.HttpRequest) -> func.HttpResponse:
    """What was said, and what is being done."""
    return wrap(await app.current().web_chat.events(request=unwrap(req)))


@blueprint.function_name("chat_upload")
@blueprint.route("chat/files", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def chat_upload(req: func.HttpRequest) -> func.HttpResponse:
    """Take a file in."""
    return wrap(await app.current().web_chat.upload(request=unwrap(req)))


@blueprint.function_name("chat_file")
@blueprint.route("chat/files/{id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def chat_file(req: func.HttpRequest) -> func.HttpResponse:
    """Give a file out, to the conversation that owns it."""
    return wrap(await app.current().web_chat.download(request=unwrap(req), id=req.route_params["id"]))
