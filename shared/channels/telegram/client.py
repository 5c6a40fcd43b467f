"""Calls of the Bot API. What goes wrong becomes one of our errors, and none of them shows the token."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from shared.channels.telegram.settings import TelegramSettings
from shared.messages import NotTaken, OutcomeUnknown, Refused
from shared.ports import Json

CONNECT_SECONDS = 10.0
UPLOAD_BYTES_A_SECOND = 500_000
"""What an upload's time-out is stretched by: the slowest line that is still worth waiting for."""
CHUNK_BYTES = 64 * 1024

_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


class ApiRefused(Refused):
    """Telegram said no. `migrated_to` is the id of the supergroup that the chat has become, or None."""

    def __init__(self, method: str, description: str, *, code: int, migrated_to: int | None = None) -> None:
        super().__init__(f"{method}: {description} ({code})")
        self.description = description
        self.code = code
        self.migrated_to = migrated_to


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that goes with a call, in the parameter `field`."""

    field: str
    name: str
    media_type: str
    content: bytes


class BotApi:
    """One bot's access to the Bot API, over a session that belongs to the whole process."""

    def __init__(self, *, settings: TelegramSettings, http: Callable[[], aiohttp.ClientSession]) -> None:
        self._settings = settings
        self._http = http
        token = settings.token.get_secret_value()
        self._methods = f"{settings.api_base}/bot{token}/"
        self._files = f"{settings.api_base}/file/bot{token}/"

    async def call(
        self, method: str, parameters: Json, *, upload: Upload | None = None, timeout: float | None = None
    ) -> Any:
        """Call a method and return its result. `timeout` is in seconds; the settings' without one.

        Raises NotTaken, OutcomeUnknown, or Refused as ApiRefused.
        """
        seconds = timeout or self._settings.timeout_seconds
        if upload:
            seconds += len(upload.content) / UPLOAD_BYTES_A_SECOND
        try:
            async with self._http().post(
                URL(self._methods + method, encoded=True),
                data=_form(parameters, upload) if upload else json.dumps(parameters).encode(),
                headers={} if upload else {"Content-Type": "application/json"},
                timeout=_timeout(seconds),
                allow_redirects=False,
                trace_request_ctx=method,
            ) as response:
                status, body = response.status, await response.read()
        except _NO_CONNECTION as error:
            raise NotTaken(f"{method}: no connection to Telegram ({type(error).__name__})") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutcomeUnknown(f"{method}: no answer from Telegram ({type(error).__name__})") from None
        return _result(method, status, body)

    async def download(self, path: str, *, limit: int) -> AsyncIterator[bytes]:
        """The bytes of a file by the `file_path` that `getFile` gave. Raises NotTaken or Refused."""
        address = URL(self._files + URL.build(path=path).raw_path, encoded=True)
        received = 0
        try:
            async with self._http().get(
                address,
                timeout=_timeout(self._settings.timeout_seconds + limit / UPLOAD_BYTES_A_SECOND),
                allow_redirects=False,
                trace_request_ctx="file",
            ) as response:
                if response.status != 200:
                    raise _download_error(response.status)
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    received += len(chunk)
                    if received > limit:
                        raise Refused(f"the file has more than {limit} bytes")
                    yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotTaken(f"the download broke off ({type(error).__name__})") from None


def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, connect=min(seconds, CONNECT_SECONDS))


def _form(parameters: Json, upload: Upload) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in parameters.items():
        form.add_field(name, value if isinstance(value, str) else json.dumps(value))
    # A stream: aiohttp writes raw bytes in one go, which holds up the loop for a large file.
    form.add_field(upload.field, io.BytesIO(upload.content), filename=upload.name, content_type=upload.media_type)
    return form


def _result(method: str, status: int, body: bytes) -> Any:
    answer = _object(body)
    if answer.get("ok") is True and status == 200:
        return answer.get("result")
    hints = answer.get("parameters")
    hints = hints if isinstance(hints, dict) else {}
    if status == 429:
        raise NotTaken(f"{method}: Telegram asks to slow down", retry_after=_seconds(hints.get("retry_after")))
    if status in {401, 404}:
        # A token that is wrong or was revoked. Nothing was taken, and a corrected setting sends what waits.
        raise NotTaken(f"{method}: Telegram does not know this bot: check TELEGRAM_BOT_TOKEN and TELEGRAM_API_BASE")
    if 400 <= status < 500:
        migrated = hints.get("migrate_to_chat_id")
        raise ApiRefused(
            method,
            str(answer.get("description", "no reason given"))[:300],
            code=status,
            migrated_to=migrated if type(migrated) is int else None,
        )
    raise OutcomeUnknown(f"{method}: Telegram answered {status} and nothing that can be understood")


def _object(body: bytes) -> Json:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value >= 0 else None


def _download_error(status: int) -> NotTaken | Refused:
    if status == 429 or status >= 500:
        return NotTaken(f"Telegram answered {status} to a download")
    return Refused(f"Telegram does not give the file ({status})")
