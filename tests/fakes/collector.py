"""An OpenTelemetry collector and Azure Monitor's ingestion in one small server of ours: it reads what is sent and keeps it.

OTLP is read with the published protobuf messages (opentelemetry-proto); Azure Monitor's envelopes are lines of JSON.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.fakes.spans import Seen


@dataclass
class Collector:
    """What was sent."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    """Everything, uncompressed, as it came."""
    spans: list[Seen] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    metrics: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """The points of each metric by its name: attributes, and `value` or `count` and `sum`. Cumulative."""
    logs: list[dict[str, Any]] = field(default_factory=list)
    envelopes: list[dict[str, Any]] = field(default_factory=list)
    """Azure Monitor's."""

    async def traces(self, request: web.Request) -> web.Response:
        sent = ExportTraceServiceRequest.FromString(await self._body(request))
        for resource in sent.resource_spans:
            self.services.add(str(_attributes(resource.resource.attributes).get("service.name")))
            for scope in resource.scope_spans:
                self.spans += [
                    Seen(
                        trace=span.trace_id.hex(),
                        id=span.span_id.hex(),
                        parent=span.parent_span_id.hex(),
                        name=span.name,
                        kind=str(span.kind),
                        attributes=_attributes(span.attributes),
                        links=[link.trace_id.hex() for link in span.links],
                    )
                    for span in scope.spans
                ]
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    async def measured(self, request: web.Request) -> web.Response:
        sent = ExportMetricsServiceRequest.FromString(await self._body(request))
        for metric in (
            one for resource in sent.resource_metrics for scope in resource.scope_metrics for one in scope.metrics
        ):
            points: list[dict[str, Any]] = []
            for point in metric.sum.data_points or metric.gauge.data_points:
                value = point.as_double if point.HasField("as_double") else point.as_int
                points.append({**_attributes(point.attributes), "value": value})
            points += [
                {**_attributes(spread.attributes), "count": spread.count, "sum": spread.sum}
                for spread in metric.histogram.data_points
            ]
            self.metrics[metric.name] = points
        return web.Response(
            body=ExportMetricsServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    async def logged(self, request: web.Request) -> web.Response:
        sent = ExportLogsServiceRequest.FromString(await self._body(request))
        for record in (
            one for resource in sent.resource_logs for scope in resource.scope_logs for one in scope.log_records
        ):
            self.logs.append(
                {
                    "body": record.body.string_value,
                    "trace": record.trace_id.hex(),
                    "span": record.span_id.hex(),
                    **_attributes(record.attributes),
                }
            )
        return web.Response(body=ExportLogsServiceResponse().SerializeToString(), content_type="application/x-protobuf")

    async def tracked(self, request: web.Request) -> web.Response:
        body = (await self._body(request)).decode()
        found = json.loads(body) if body.lstrip().startswith("[") else [json.loads(line) for line in body.splitlines()]
        self.envelopes += found
        return web.json_response({"itemsReceived": len(found), "itemsAccepted": len(found), "errors": []})

    async def _body(self, request: web.Request) -> bytes:
        body = await request.read()
        body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        self.bodies.append(body)
        return body


def _attributes(found: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in found}


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector on a free port of the loopback interface."""
    made = Collector()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/traces", made.traces)
    app.router.add_post("/v1/metrics", made.measured)
    app.router.add_post("/v1/logs", made.logged)
    app.router.add_post(
        "/{slash:/?}v2.1/track", made.tracked
    )  # the library adds a second slash to an endpoint that ends in one
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
    finally:
        await runner.cleanup()
