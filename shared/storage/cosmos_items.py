"""How documents lie in Cosmos DB, and the words of the few queries over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.ports import Create, Delete, Document, Json, Operation, Partition, Put, Replace

TENANT = "tenantId"
PARTITION = "partitionKey"
"""The two levels of the hierarchical partition key, the tenant first. No body has a field in camel case."""
OWN_ID = "contentId"
"""A body's own `id`: the item's is the document's."""
_OURS = frozenset((TENANT, PARTITION, OWN_ID, "id"))

Query = tuple[str, list[dict[str, Any]]]
"""A statement and its parameters."""


def item(partition: Partition, id: str, body: Json) -> Json:
    """A document as an item: flat, so that the service's own `ttl` is ours, and `wake_at` in a form that sorts."""
    content = dict(body)
    if "id" in content:
        content[OWN_ID] = content.pop("id")
    if wake_at := content.get("wake_at"):
        content["wake_at"] = instant(datetime.fromisoformat(wake_at))
    return {**content, "id": id, TENANT: partition.tenant, PARTITION: partition.key}


def document(found: Mapping[str, Any]) -> Document:
    """An item as a document. The service's own fields begin with an underscore."""
    body = {name: value for name, value in found.items() if name not in _OURS and not name.startswith("_")}
    if OWN_ID in found:
        body["id"] = found[OWN_ID]
    partition = Partition(found[TENANT], found[PARTITION])
    return Document(partition=partition, id=found["id"], body=body, etag=found["_etag"])


def operations(partition: Partition, batch: Sequence[Operation]) -> list[tuple[Any, ...]]:
    """A transaction as the library's transactional batch takes it."""
    return [_operation(partition, one) for one in batch]


def _operation(partition: Partition, operation: Operation) -> tuple[Any, ...]:
    match operation:
        case Create(id=id, body=body):
            return "create", (item(partition, id, body),)
        case Replace(id=id, body=body, etag=etag):
            return "replace", (id, item(partition, id, body)), {"if_match_etag": etag}
        case Put(id=id, body=body):
            return "upsert", (item(partition, id, body),)
        case Delete(id=id, etag=etag):
            return "delete", (id,), {"if_match_etag": etag}


def of_kind(
    partition: Partition,
    kind: str,
    *,
    states: Sequence[str],
    after: int | None,
    before: int | None,
    descending: bool,
    limit: int,
) -> Query:
    """Documents of a kind. The request names the partition; so does the statement, for servers that look only there."""
    where = [f"c.{TENANT} = @tenant", f"c.{PARTITION} = @partition", "c.kind = @kind"]
    parameters = [_named("@tenant", partition.tenant), _named("@partition", partition.key), _named("@kind", kind)]
    if states:
        where.append(_among("state", states, parameters))
    for bound, sign, value in (("@after", ">", after), ("@before", "<", before)):
        if value is not None:
            where.append(f"c.n {sign} {bound}")
            parameters.append(_named(bound, value))
    return _ordered(where, f"c.n {'DESC' if descending else 'ASC'}", 0, limit), parameters


def due(*, now: datetime, rings: Sequence[str], skip: int, limit: int) -> Query:
    """Across partitions: what is due, the earliest first."""
    where, parameters = ["c.wake_at <= @now"], [_named("@now", instant(now))]
    if rings:
        where.append(_among("ring", rings, parameters))
    return _ordered(where, "c.wake_at ASC", skip, limit), parameters


def open_dead_letters(*, tenant: str, skip: int, limit: int) -> Query:
    """Across a tenant's partitions: open dead letters, the newest first."""
    where = [f"c.{TENANT} = @tenant", "c.kind = @kind", "c.state = @state"]
    parameters = [_named("@tenant", tenant), _named("@kind", "dead_letter"), _named("@state", "open")]
    return _ordered(where, "c.n DESC", skip, limit), parameters


def instant(moment: datetime) -> str:
    """A form of UTC times that sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _ordered(where: Sequence[str], order: str, skip: int, limit: int) -> str:
    conditions = " AND ".join(where)
    if not skip:
        return f"SELECT TOP {limit} * FROM c WHERE {conditions} ORDER BY {order}"  # noqa: S608  values are parameters
    return f"SELECT * FROM c WHERE {conditions} ORDER BY {order} OFFSET {skip} LIMIT {limit}"  # noqa: S608  as above


def _among(field: str, values: Sequence[str], parameters: list[dict[str, Any]]) -> str:
    names = [f"@{field}{place}" for place in range(len(values))]
    parameters.extend(_named(name, value) for name, value in zip(names, values, strict=True))
    return f"c.{field} IN ({', '.join(names)})"


def _named(name: str, value: object) -> dict[str, Any]:
    return {"name": name, "value": value}
