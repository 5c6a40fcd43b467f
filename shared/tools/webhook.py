"""Posting a text to a webhook that the owner has allowed.

A webhook is a write on someone else's machine that can be neither looked up nor taken back, so each way in which a call
can end is put into one of three: it was taken, it was certainly not taken (ToolError), or nobody knows (OutcomeUnknown).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

import aiohttp
from pydantic import BaseModel, Field, SecretStr, field_validator
from yarl import URL

from shared.messages import OutcomeUnknown
from shared.ports import Effect, Parts, Tool, ToolContext, ToolError, ToolResult
from shared.settings import EnvironmentSettings
from shared.untrusted import quoted

SECONDS = 15.0
"""How long a call may take, from its beginning to the end of the answer."""
MAX_ANSWER_BYTES = 4 * 1024
"""The most that is read of an answer."""
EXPLAINED = 300
"""How much of the text whoever must approve it reads."""

_ELSEWHERE = frozenset({HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})
"""The redirects that say: nothing was done here. After the others of them a server may have taken what was posted."""
_DISGUISED = re.compile(r"%2f|%5c|%25|%00|;", re.IGNORECASE)
"""What some servers read as the end of a segment, or decode once more: below a prefix it could lead out of it."""
_HEADERS = {
    "User-Agent": "Praxos/1.0 (posts what a person asked it to)",
    "Accept": "text/plain, application/json, */*;q=0.1",
    "Accept-Encoding": "identity",
}


def _read(text: str) -> URL:
    """A URL with a host and without a user name, less its fragment and a port that goes without saying. Raises ValueError."""
    try:
        url = URL(text)
        host, _ = url.raw_host, url.port
    except ValueError:
        raise ValueError("cannot be read as an address") from None
    if url.scheme not in ("http", "https") or not host:
        raise ValueError("has to begin with https:// or http:// and a host")
    if "@" in url.raw_authority:
        raise ValueError("has a user name or a password in it, which is not possible here")
    return url.with_port(None if url.is_default_port() else url.port).with_fragment(None)


@dataclass(frozen=True, slots=True)
class Place:
    """What the owner allowed: one address, or all below a prefix."""

    url: URL
    prefix: bool

    @classmethod
    def read(cls, text: str) -> Self:
        """Read an entry of the setting; one that ends in `/` is a prefix. Raises ValueError."""
        return cls(url=_read(text), prefix=text.endswith("/"))

    def allows(self, url: URL) -> bool:
        """True for the address itself, and for one below the prefix, compared segment by segment."""
        if self.url == url:
            return True
        below = url.raw_path.startswith(self.url.raw_path)
        return self.prefix and self.url.origin() == url.origin() and below and not _DISGUISED.search(url.raw_path)


class WebhookSettings(EnvironmentSettings):
    """Where texts may be posted to. An address is often a secret by itself."""

    webhooks: SecretStr = Field(
        SecretStr(""),
        alias="PRAXOS_WEBHOOKS",
        description="Addresses that the assistant may post a text to, with commas; one that ends in `/` allows all below"
        " it. Private addresses are possible.",
    )

    @field_validator("webhooks")
    @classmethod
    def _can_be_read(cls, value: SecretStr) -> SecretStr:
        for number, text in enumerate(_entries(value), 1):
            try:
                Place.read(text)
            except ValueError as error:
                raise ValueError(f"address number {number} {error}") from None
        return value

    def places(self) -> Sequence[Place]:
        """What is allowed."""
        return [Place.read(text) for text in _entries(self.webhooks)]


def _entries(value: SecretStr) -> list[str]:
    return [text for entry in value.get_secret_value().split(",") if (text := entry.strip())]


class Posting(BaseModel):
    """What to post, and where."""

    url: str = Field(max_length=2_000, description="The webhook's address, as the person gave it.")
    text: str = Field(min_length=1, max_length=20_000, description="The text to post.")


class PostWebhook:
    """Posts a text as JSON."""

    name = "post_webhook"
    description = (
        'Post a text to a webhook as the JSON {"text": …}, when the person asks for it. Only addresses that the owner has'
        " allowed are possible."
    )
    arguments: type[BaseModel] = Posting
    effect = Effect.WRITE
    progress = "Posting to a webhook"

    def __init__(self, places: Sequence[Place], *, seconds: float = SECONDS) -> None:
        self._places = places
        self._seconds = seconds

    def doing(self, *, arguments: BaseModel) -> str:
        """Where it is posted to: the host alone, because the rest of an address is often a secret."""
        assert isinstance(arguments, Posting)
        try:
            return f"Posting to {_host(_read(arguments.url.strip()))}"
        except ValueError:
            return self.progress

    def explain(self, *, arguments: BaseModel) -> str:
        """What would be posted, and to which host."""
        assert isinstance(arguments, Posting)
        text = " ".join(arguments.text.split())
        said = text if len(text) <= EXPLAINED else f"{text[: EXPLAINED - 1]}…"
        try:
            return f"post “{said}” to {_host(_read(arguments.url.strip()))}"
        except ValueError:
            return f"post “{said}” to a webhook"

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Post it once. Raises ToolError where it was certainly not taken, else OutcomeUnknown."""
        assert isinstance(arguments, Posting)
        url = self._allowed(arguments.url.strip())
        host = _host(url)
        headers = {**_HEADERS, "Idempotency-Key": hashlib.sha256(context.key.encode("utf-8", "replace")).hexdigest()}
        try:
            async with (
                self._session() as session,
                session.post(url, json={"text": arguments.text}, headers=headers, allow_redirects=False) as response,
            ):
                _judge(response.status, host)
                return ToolResult(_said(response.status, host, await _answer(response)))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise ToolError(f"{_unreached(error, host)} Nothing was posted.") from None
        except TimeoutError:
            raise OutcomeUnknown(
                f"{host} did not answer in full within {self._seconds:g} seconds, so it may or may not have taken it."
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise OutcomeUnknown(
                f"The connection to {host} ended before its answer was there, so it may or may not have taken the text."
            ) from error

    def _allowed(self, text: str) -> URL:
        try:
            url = _read(text)
        except ValueError as error:
            raise ToolError(f"The address {error}. Nothing was posted.") from None
        if any(place.allows(url) for place in self._places):
            return url
        known = "this address is not among those that it names" if self._places else "no address is allowed so far"
        raise ToolError(
            "I may not post there, so nothing was posted. The owner of this assistant decides where to, with the setting"
            f" PRAXOS_WEBHOOKS: {known}. They can add the address, or a beginning of it that ends in /."
        )

    def _session(self) -> aiohttp.ClientSession:
        # A connection of its own for each call: on one that was kept from before, nobody knows whether a lost post arrived.
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=self._seconds, connect=self._seconds / 2),
        )


def _host(url: URL) -> str:
    return (url.host or "")[:100]


def _status(status: int) -> str:
    known = status in HTTPStatus.__members__.values()
    return f"{status} ({HTTPStatus(status).phrase})" if known else str(status)


def _judge(status: int, host: str) -> None:
    """Return where it was taken, as far as the status says. Raises ToolError, or OutcomeUnknown."""
    if 200 <= status < 300:
        return
    if status in _ELSEWHERE:
        raise ToolError(f"{host} sends posts on to another address, which I do not follow. Nothing was posted.")
    if 400 <= status < 500:
        raise ToolError(f"{host} did not take it: it answered with status {_status(status)}. Nothing was posted.")
    raise OutcomeUnknown(f"{host} answered with status {_status(status)}, so it may or may not have taken the text.")


async def _answer(response: aiohttp.ClientResponse) -> str:
    """The beginning of the answer, as text."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= MAX_ANSWER_BYTES:
            break
    packed = response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity")
    return "" if packed else bytes(body[:MAX_ANSWER_BYTES]).decode("utf-8", "replace").replace("\0", "").strip()


def _said(status: int, host: str, answer: str) -> str:
    taken = f"Posted: {host} took it with status {_status(status)}."
    return f"{taken} It answered:\n{quoted(answer, source=f'the answer of {host}')}" if answer else taken


def _unreached(error: Exception, host: str) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"There is no server called {host}."
        case aiohttp.ClientSSLError():
            return f"No secure connection to {host} could be made."
        case aiohttp.ConnectionTimeoutError():
            return f"{host} could not be reached in time."
        case _:
            return f"{host} could not be reached."


def build(parts: Parts) -> Sequence[Tool]:
    """The webhook's tool. Raises SettingError."""
    return [PostWebhook(WebhookSettings.from_environ(parts.environ).places())]
