"""What a function's Durable client is made of, and the addresses in it.

The JSON is that of the extension's `BindingHelper` and `HttpApiHandler`, as
`azure.durable_functions.models.DurableOrchestrationBindings` reads it.
"""

from __future__ import annotations

import json
from urllib.parse import quote

PREFIX = "/runtime/webhooks/durabletask"
"""Where the Functions host serves the extension's HTTP management API."""
_PLACEHOLDER = "INSTANCEID"
_CONNECTION = "Storage"
USER = "durable"
"""Who a client says it is in the address that it calls; the key is its password."""


def base_url(port: int) -> str:
    """The API's address on the loopback interface."""
    return f"http://127.0.0.1:{port}{PREFIX}"


def management_urls(port: int, *, hub: str, key: str, id: str) -> dict[str, str]:
    """What a caller can do to an instance, of what this host implements."""
    instance = f"{base_url(port)}/instances/{quote(id, safe='')}"
    query = f"taskHub={hub}&connection={_CONNECTION}&code={key}"
    return {
        "id": id,
        "statusQueryGetUri": f"{instance}?{query}",
        "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}?{query}",
        "terminatePostUri": f"{instance}/terminate?reason={{text}}&{query}",
        "purgeHistoryDeleteUri": f"{instance}?{query}",
    }


def client_binding(port: int, *, hub: str, key: str) -> str:
    """The JSON that a durableClient binding hands to a function."""
    create = f"{base_url(port)}/orchestrators/{{functionName}}[/{{instanceId}}]?code={key}"
    return json.dumps(
        {
            "taskHubName": hub,
            "creationUrls": {"createNewInstancePostUri": create},
            "managementUrls": management_urls(port, hub=hub, key=key, id=_PLACEHOLDER),
            # The library puts its paths behind this one, so the key cannot stand in a query.
            "rpcBaseUrl": f"http://{USER}:{key}@127.0.0.1:{port}{PREFIX}/",
        }
    )
