"""Spans for HTTP requests to platforms and pages. A path can hold a bot's token: neither it nor a query is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.telemetry.spans import enabled, here, span

if TYPE_CHECKING:
    import aiohttp

    from shared.telemetry.protocols import Span


def requests(*, private: bool = False) -> list[aiohttp.TraceConfig]:
    """What an aiohttp session is made with as `trace_configs`. `private`: not even the host is recorded."""
    if not enabled():
        return []
    import aiohttp

    config = aiohttp.TraceConfig()
    config.on_request_start.append(_begun_privately if private else _begun)
    config.on_request_end.append(_ended)
    config.on_request_exception.append(_failed)
    return [config]


async def _begun(_: aiohttp.ClientSession, context: Any, parameters: aiohttp.TraceRequestStartParams) -> None:
    about: dict[str, str | int] = {"server.address": parameters.url.host or ""}
    if port := parameters.url.port:
        about["server.port"] = port
    _open(context, parameters.method, about)


async def _begun_privately(_: aiohttp.ClientSession, context: Any, parameters: aiohttp.TraceRequestStartParams) -> None:
    _open(context, parameters.method, {})


def _open(context: Any, method: str, about: dict[str, str | int]) -> None:
    context.span = None
    if here():  # a request that belongs to no message is nobody's
        # What the caller says that it asks for, as `trace_request_ctx`: it stands for the path.
        asked = str(context.trace_request_ctx or "")
        about |= {"http.request.method": method} | ({"url.template": asked} if asked else {})
        context.span = span(f"{method} {asked}".rstrip(), kind="client", attributes=about)
        context.span.__enter__()


async def _ended(_: aiohttp.ClientSession, context: Any, parameters: aiohttp.TraceRequestEndParams) -> None:
    current: Span | None = context.span
    if current:
        status = parameters.response.status
        current.set({"http.response.status_code": status})
        if status >= 400:
            current.failed(str(status))
        current.__exit__(None, None, None)


async def _failed(_: aiohttp.ClientSession, context: Any, parameters: aiohttp.TraceRequestExceptionParams) -> None:
    current: Span | None = context.span
    if current:
        current.failed(type(parameters.exception).__qualname__)
        current.__exit__(None, None, None)
