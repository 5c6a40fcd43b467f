"""What leaves for Cosmos DB: each HTTP request by its kind, and what the service charges for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.app import App
from shared.storage.cosmos_account import SERVICE

if TYPE_CHECKING:
    from azure.core.rest import HttpRequest

CHARGE = "x-ms-request-charge"
"""The header with the request units of an answer. Only the service knows them; a stand-in sends none."""
_KINDS = {
    "x-ms-cosmos-is-query-plan-request": "query plan",
    "x-ms-documentdb-isquery": "query",
    "x-ms-cosmos-is-batch-request": "transaction",
    "x-ms-documentdb-is-upsert": "upsert",
}


@dataclass
class CosmosRequests:
    """All requests of one client since it was opened."""

    kinds: Counter[str] = field(default_factory=Counter)
    """How many of each kind; `account` is what the SDK asks about the account and the containers."""
    units: float = 0.0
    charged: int = 0
    """How many answers named their charge."""

    @classmethod
    async def of(cls, app: App) -> CosmosRequests:
        """Count an App's from now on."""
        counted = cls()
        app.store  # noqa: B018  opens the account that all its plug-ins share
        client = await app.parts.clients[SERVICE].client()
        # The SDK has no public place for it: its response hooks are arguments of single calls.
        pipeline = client.client_connection.pipeline_client._pipeline
        transport, send = pipeline._transport, pipeline._transport.send

        async def counting(request: HttpRequest, **options: Any) -> Any:
            answer = await send(request, **options)
            counted.note(request, answer.headers.get(CHARGE))
            return answer

        transport.send = counting
        return counted

    def note(self, request: HttpRequest, charge: str | None) -> None:
        """One request was answered."""
        self.kinds[kind_of(request)] += 1
        if charge is not None:
            self.charged += 1
            self.units += float(charge)


def kind_of(request: HttpRequest) -> str:
    """What a request is, by the protocol's headers."""
    if "/docs" not in request.url:
        return "account"
    for header, kind in _KINDS.items():
        if str(request.headers.get(header, "")).lower() == "true":
            return kind
    return {"GET": "read", "POST": "create", "DELETE": "delete"}.get(request.method, request.method.lower())
