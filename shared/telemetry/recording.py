"""Records spans with OpenTelemetry. Imported only where a setting names somewhere to send them to."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from contextvars import Token
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)

from shared.telemetry import carrying, logs

if TYPE_CHECKING:
    from opentelemetry.trace import Span as OpenSpan
    from opentelemetry.trace import Tracer

    from shared.telemetry.protocols import Attributes, Carried, Kind, Traced

_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_NAMES = {"event": "praxos.event", "conversation": "praxos.conversation", "tenant": "praxos.tenant"}
"""The bound fields that every span has."""
_MOST_EARLY = 2048
"""How many spans are kept until the exporters are loaded."""


class OpenTelemetrySpans:
    """Implements `shared.telemetry.spans.Recorder`."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def span(
        self,
        name: str,
        *,
        kind: Kind,
        parent: Traced | None,
        root: bool,
        links: Sequence[Traced],
        started_at: datetime | None,
        attributes: Attributes | None,
    ) -> RecordedSpan:
        bound = logs.bound()
        known = {long: bound[short] for short, long in _NAMES.items() if short in bound}
        return RecordedSpan(
            self._tracer,
            name,
            kind=_KINDS[kind],
            context=_context(parent, root=root),
            links=[Link(found) for one in links if (found := span_context(one))],
            started=int(started_at.timestamp() * 1e9) if started_at else None,
            attributes={**known, **(attributes or {})},
        )

    def here(self) -> Carried | None:
        return place_of(get_current_span().get_span_context())


class RecordedSpan:
    """Implements `shared.telemetry.spans.Span` over a span of OpenTelemetry's."""

    __slots__ = ("_attributes", "_context", "_kind", "_links", "_name", "_span", "_started", "_token", "_tracer")

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        *,
        kind: SpanKind,
        context: Context | None,
        links: Sequence[Link],
        started: int | None,
        attributes: Attributes,
    ) -> None:
        self._tracer = tracer
        self._name = name
        self._kind = kind
        self._context = context
        self._links = links
        self._started = started
        self._attributes = attributes
        self._span: OpenSpan | None = None
        self._token: Token[Context] | None = None

    def __enter__(self) -> Self:
        self._span = self._tracer.start_span(
            self._name,
            context=self._context,
            kind=self._kind,
            attributes=self._attributes,
            links=self._links,
            start_time=self._started,
            # An exception's words may hold what a person wrote: only its type is recorded.
            record_exception=False,
            set_status_on_exception=False,
        )
        self._token = attach(set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        assert self._span
        assert self._token
        if kind is not None:
            self.failed(kind.__qualname__)
        detach(self._token)
        self._span.end()

    def set(self, attributes: Attributes) -> None:
        assert self._span
        self._span.set_attributes(dict(attributes))

    def failed(self, error: str) -> None:
        assert self._span
        self._span.set_attribute("error.type", error)
        self._span.set_status(Status(StatusCode.ERROR))


def _context(parent: Traced | None, *, root: bool) -> Context | None:
    """Where a span belongs: a fresh context for a root, None for the span that is open here."""
    if root:
        return Context()
    if parent is None:
        return None
    found = span_context(parent)
    return set_span_in_context(NonRecordingSpan(found), Context()) if found else Context()


def span_context(of: Traced) -> SpanContext | None:
    """What a record carries, as OpenTelemetry has it; None where it carries nothing that can be read."""
    found = carrying.parsed(of.traceparent)
    if found is None:
        return None
    state = TraceState.from_header([of.tracestate]) if of.tracestate else None
    return SpanContext(
        int(found[0], 16), int(found[1], 16), is_remote=True, trace_flags=TraceFlags(found[2]), trace_state=state
    )


def place_of(context: SpanContext) -> Carried | None:
    """The fields that carry a span's place."""
    if not context.is_valid:
        return None
    # Flags beyond `sampled` are of no version that records know.
    flags = context.trace_flags & TraceFlags.SAMPLED
    traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"
    return {"traceparent": traceparent, "tracestate": context.trace_state.to_header() if context.trace_state else ""}


class Early(SpanProcessor):
    """Keeps the spans that end before the exporters are loaded: those take up to a second, and a webhook waits for nothing."""

    def __init__(self) -> None:
        self._kept: deque[ReadableSpan] = deque(maxlen=_MOST_EARLY)
        self._then: Sequence[SpanProcessor] | None = None
        self._lock = threading.Lock()

    def pass_on(self, processors: Sequence[SpanProcessor]) -> None:
        """From now on spans go to these, and those that were kept go first."""
        with self._lock:
            for span in self._kept:
                for processor in processors:
                    processor.on_end(span)
            self._kept.clear()
            self._then = processors

    def on_end(self, span: ReadableSpan) -> None:
        if self._then is None:
            with self._lock:
                if self._then is None:
                    self._kept.append(span)
                    return
        for processor in self._then:
            processor.on_end(span)

    def shutdown(self) -> None:
        for processor in self._then or ():
            processor.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        flushed = [
            processor.force_flush(timeout_millis) for processor in self._then or ()
        ]  # all of them, come what may
        return all(flushed)
