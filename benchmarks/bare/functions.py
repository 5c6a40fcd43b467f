"""A bare Functions app behind a bare host: one HTTP function that commits what it is sent. Arguments: database, port."""

from __future__ import annotations

import sqlite3
import sys

import azure.durable_functions as df
import azure.functions as func

from benchmarks.bare.host import serve

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


if __name__ == "__main__":
    [function] = app.get_functions()
    serve(function.get_user_function(), path="/api/webhook", port=int(sys.argv[2]), route_params={})
