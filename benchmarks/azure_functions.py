"""Our function app behind the bare host that its peer has: the webhook, with what Azure's worker loads. Argument: the port."""

from __future__ import annotations

import sys

import function_app
from benchmarks.bare.host import serve

if __name__ == "__main__":
    [webhooks] = [one for one in function_app.app.get_functions() if one.get_function_name() == "webhooks"]
    serve(
        webhooks.get_user_function(),
        path="/api/webhooks/telegram",
        port=int(sys.argv[1]),
        route_params={"channel": "telegram"},
    )
