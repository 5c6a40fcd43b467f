"""What a failed model call means: wait, mend the settings, or do not ask this again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from enum import StrEnum

from langchain_core import exceptions as core

from shared.messages import SettingError
from shared.ports import Clock

_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (core.ModelAuthenticationError, 401),
    (core.ModelPermissionDeniedError, 403),
    (core.ModelNotFoundError, 404),
    (core.ModelInvalidRequestError, 400),
    (core.ContextOverflowError, 413),
    (core.ModelRateLimitError, 429),
)


class Cause(StrEnum):
    """Whose trouble it is."""

    PASSING = "passing"
    """The service's: busy, broken or out of reach. The next model may answer."""
    SETTING = "setting"
    """The operator's: a wrong key, an unknown model. The next model may answer."""
    REQUEST = "request"
    """This request's: refused or too large. Another model may take it."""


_ADVICE = {
    400: "the service refused this request",
    401: "the service refused the key: check it",
    403: "the key may not use this model: check what it is allowed",
    404: "the service does not know this model or address: check PRAXOS_MODEL and the base URL",
    413: "the conversation is too long for this model",
    422: "the service refused this request",
    429: "the service is limiting our requests",
}


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def _status(error: Exception) -> int | None:
    if isinstance(error, core.ContextOverflowError) or _code(error) == "context_length_exceeded":
        return 413
    for link in _chain(error):
        # An error about a response, and not one of the HTTP parser, which has a code as well.
        if not hasattr(link, "response"):
            continue
        for name in ("status_code", "code"):
            value = getattr(link, name, None)
            if isinstance(value, int) and 400 <= value < 600:
                # Gemini answers a wrong key with 400 and this reason.
                return 401 if value == 400 and "API_KEY_INVALID" in str(link) else value
    return next((status for kind, status in _STATUS if isinstance(error, kind)), None)


def _code(error: Exception) -> str:
    """The service's own short name for the trouble, such as `insufficient_quota`, where it gave one."""
    found = next((code for link in _chain(error) if isinstance(code := getattr(link, "code", None), str)), "")
    return found if _WORD.fullmatch(found) else ""


def cause(error: Exception) -> Cause:
    """Tell by the HTTP status where there is one; what cannot be told counts as passing."""
    status = _status(error)
    if status in (401, 403, 404) or isinstance(error, SettingError | ImportError):
        return Cause.SETTING
    if status is None or status in (408, 409, 425, 429) or status >= 500:
        return Cause.PASSING
    return Cause.REQUEST


def words(error: Exception) -> str:
    """One line for an operator. Never the service's own message: it can quote the request or a part of the key."""
    if isinstance(error, SettingError | ImportError):
        return str(error)
    status = _status(error)
    if status is not None:
        return f"{_ADVICE.get(status, 'the service failed')} ({f'{status} {_code(error)}'.rstrip()})"
    if isinstance(error, TimeoutError | asyncio.TimeoutError | core.ModelTimeoutError):
        return "the service did not answer in time"
    if isinstance(error, core.ModelConnectionError):
        return "the service could not be reached"
    return f"the service's answer could not be read ({type(error).__name__})"


def retry_after(error: Exception, *, clock: Clock) -> float | None:
    """Seconds, from the response's Retry-After header (RFC 9110: a number or a date), where there is one."""
    for link in _chain(error):
        headers = getattr(getattr(link, "response", None), "headers", None)
        value = headers.get("retry-after") if headers is not None else None
        if not value:
            continue
        try:
            return max(0.0, float(value))
        except ValueError:
            pass
        try:
            return max(0.0, (parsedate_to_datetime(value) - clock.now()).total_seconds())
        except (TypeError, ValueError):
            return None
    return None
