"""A bare Functions app behind a bare host: one HTTP function that inserts what it gets into SQLite and commits."""

from __future__ import annotations

import sqlite3
import sys

import azure.durable_functions as df
import azure.functions as func
from aiohttp import web

app = df.DFApp()
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=NORMAL")
database.execute("CREATE TABLE event (body BLOB)")


@app.function_name("webhook")
@app.route("webhook", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def webhook(req: func.HttpRequest) -> func.HttpResponse:
    """Commit, then acknowledge."""
    database.execute("INSERT INTO event VALUES (?)", (req.get_body(),))
    return func.HttpResponse("", status_code=200)


[function] = app.get_functions()
answer = function.get_user_function()


async def handle(request: web.Request) -> web.Response:
    """What a host does for a request, and no more."""
    body = await request.read()
    made = func.HttpRequest(request.method, str(request.url), headers=dict(request.headers), body=body)
    response = await answer(made)
    return web.Response(status=response.status_code, body=response.get_body())


if __name__ == "__main__":
    server = web.Application()
    server.router.add_post("/api/webhooks/telegram", handle)
    web.run_app(server, host="127.0.0.1", port=int(sys.argv[2]), print=None, access_log=None)
