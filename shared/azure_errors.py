"""One call to a service of Azure: it ends in time, and what goes wrong is said in Praxos's words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from shared.messages import PraxosError, SettingError, Transient

_PASSING = frozenset({408, 429})
_SHOWN = 300
"""Characters of a service's own words: the rest of them are lists of links and ids."""


class Misconfigured(SettingError, Transient):
    """Something is missing in Azure: a role, a container. What needs it waits, and goes on once that is mended."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service, as its errors name it."""

    name: str
    role: str
    """The role of Azure that the app's identity needs."""


@asynccontextmanager
async def calling(service: Service, *, seconds: float) -> AsyncIterator[None]:
    """Around one call, which may take so many seconds with its retries.

    Raises Transient and Misconfigured for an AzureError; one that says that the call is wrong is a bug and stays as it is.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Transient(f"{service.name} did not answer within {seconds:g} s") from None
    except AzureError as error:
        meant = _meaning(error, service)
        if meant is None:
            raise
        raise meant from error


def _meaning(error: AzureError, service: Service) -> PraxosError | None:
    said = _first_line(error)
    if not isinstance(error, HttpResponseError):
        return Transient(f"{service.name} cannot be reached: {said}")
    status = error.status_code or 0
    if status in (401, 403) or (isinstance(error, ClientAuthenticationError) and status < 500):
        return Misconfigured(f"{service.name} refuses this identity; assign it the role {service.role!r}: {said}")
    if status in _PASSING or status >= 500 or status < 400:
        return Transient(f"{service.name} answered {status or 'half'}: {said}", retry_after=_retry_after(error))
    return None


def _first_line(error: AzureError) -> str:
    lines = str(error.message).strip().splitlines() or [type(error).__name__]
    return lines[0][:_SHOWN]


def _retry_after(error: HttpResponseError) -> float | None:
    headers: Mapping[str, str] = getattr(error.response, "headers", {})  # not in the SDK's type of it
    asked = headers.get("Retry-After", "")
    return float(asked) if asked.isdecimal() else None
