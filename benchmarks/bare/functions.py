"""A bare Functions app behind a bare host: one HTTP function that commits what it is sent. Arguments: database, port."""

from __future__ import annotations

import sqlite3
import sys

import azure.durable_functions as df
import azure.functions as func
from aiohttp import web

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=NORMAL")
database.execute("CREATE TABLE events (body BLOB NOT NULL)")


@app.route("webhook", methods=["POST"])
async def webhook(req: func.HttpRequest) -> func.HttpResponse:
    """Commit, then answer."""
    database.execute("INSERT INTO events VALUES (?)", (req.get_body(),))
    return func.HttpResponse(b"{}", mimetype="application/json")


[function] = app.get_functions()
call = function.get_user_function()


async def answer(request: web.Request) -> web.Response:
    """What a host does for a request, and no more."""
    given = func.HttpRequest(request.method, str(request.url), headers=request.headers, body=await request.read())
    returned = await call(given)
    return web.Response(status=returned.status_code, body=returned.get_body(), content_type=returned.mimetype)


if __name__ == "__main__":
    application = web.Application()
    application.router.add_post("/api/webhook", answer)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[2]), print=None, access_log=None)
