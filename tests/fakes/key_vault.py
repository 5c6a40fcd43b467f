"""Key Vault's REST API for secrets, as its public reference says, on a free loopback port over HTTPS. It is ours.

learn.microsoft.com/rest/api/keyvault/secrets; the codes inside errors are those that the service's users report.
"""

from __future__ import annotations

import re
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from shared.ports import Clock
from shared.secrets.key_vault import KeyVaultSecrets
from shared.secrets.key_vault_client import Patient, Vault
from tests.fakes.certificates import Certificate
from tests.fakes.identity import StaticCredential

TOKEN = "a token of this test"
PAGE = 25
VALUE_BYTES = 25 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Version:
    """One version of a secret."""

    value: str
    tags: dict[str, str]
    enabled: bool = True
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))


@dataclass(frozen=True, slots=True)
class Fault:
    """What some requests get instead of an answer."""

    status: int
    inner: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class KeyVault:
    """A vault. What it is told holds for the requests that come in afterwards."""

    certificate: Certificate
    url: str = ""
    resource: str = ""
    secrets: dict[str, list[Version]] = field(default_factory=dict)
    """The versions of each name, the latest last."""
    deleted: dict[str, list[Version]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    """What was asked for with a token: the method and the path."""
    faults: list[Fault] = field(default_factory=list)
    """Answers to the next requests."""
    permitted: bool = True
    before: Callable[[web.Request], Awaitable[None]] | None = None
    """What happens before a request is answered."""

    def fail(self, status: int, *, times: int = 1, inner: str = "", **headers: str) -> None:
        """Answer so to the next requests. An underscore in a header's name stands for a dash."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults = [Fault(status, inner, named)] * times

    def delete(self, name: str) -> None:
        """As an operator does it in the portal: the name stays taken."""
        self.deleted[name] = self.secrets.pop(name)

    def enabled(self, name: str) -> list[str]:
        """The values of the enabled versions."""
        return [version.value for version in self.secrets.get(name, []) if version.enabled]

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            challenge = f'Bearer authorization="https://login.microsoftonline.com/a-tenant", resource="{self.resource}"'
            return web.json_response(
                _error("Unauthorized", "AKV10000: Request is missing a Bearer or PoP token."),
                status=401,
                headers={"WWW-Authenticate": challenge},
            )
        self.calls.append(f"{request.method} {request.path}")
        if self.before:
            await self.before(request)
        if self.faults:
            fault = self.faults.pop(0)
            return web.json_response(
                _error("Fault", "for this test", fault.inner), status=fault.status, headers=fault.headers
            )
        if not self.permitted:
            return _refusal(403, "Forbidden", "Caller is not authorized to perform action.", "ForbiddenByRbac")
        if not re.fullmatch(r"[0-9A-Za-z-]{1,127}", request.match_info["name"]):
            return _refusal(400, "BadParameter", "The request URI contains an invalid name.")
        return await handler(request)

    async def _get(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        version = self._find(name, request.match_info.get("version", ""))
        if version is None:
            return _absent(name)
        if not version.enabled:
            return _refusal(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        return web.json_response({"value": version.value, **self._item(name, version)})

    async def _set(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await request.json()
        if name in self.deleted:
            said = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused."
            return _refusal(409, "Conflict", said, "ObjectIsDeletedButRecoverable")
        value, tags = body.get("value"), body.get("tags") or {}
        if not value or len(value.encode()) > VALUE_BYTES:
            return _refusal(400, "BadParameter", "The specified value is missing or too long.")
        if len(tags) > 15 or any(len(each) > 256 for tag in tags.items() for each in tag):
            return _refusal(400, "BadParameter", "Too many tags, or too long ones.")
        version = Version(value, tags)
        self.secrets.setdefault(name, []).append(version)
        return web.json_response({"value": value, **self._item(name, version)})

    async def _update(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await request.json()
        version = self._find(name, request.match_info.get("version", ""))
        if version is None:
            return _absent(name)
        version.enabled = (body.get("attributes") or {}).get("enabled", version.enabled)
        version.tags = body.get("tags", version.tags)
        return web.json_response(self._item(name, version))

    async def _versions(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.secrets:
            return _absent(name)
        start = int(request.query.get("$skiptoken", 0))
        known = sorted(self.secrets[name], key=lambda version: version.id)  # in no order of time
        page: dict[str, Any] = {"value": [self._item(name, version) for version in known[start : start + PAGE]]}
        more = start + PAGE < len(known)
        page["nextLink"] = f"{self.url}/secrets/{name}/versions?$skiptoken={start + PAGE}" if more else None
        return web.json_response(page)

    async def _recover(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.deleted:
            return _absent(name)
        self.secrets[name] = self.deleted.pop(name)
        return web.json_response(self._item(name, self.secrets[name][-1]))

    def _find(self, name: str, version: str) -> Version | None:
        known = self.secrets.get(name, [])
        if not version:
            return known[-1] if known else None
        return next((each for each in known if each.id == version), None)

    def _item(self, name: str, version: Version) -> dict[str, Any]:
        times = {"created": version.created, "updated": version.created, "recoveryLevel": "Recoverable+Purgeable"}
        return {
            "id": f"{self.url}/secrets/{name}/{version.id}",
            "attributes": {"enabled": version.enabled, **times},
            "tags": version.tags,
        }


def _error(code: str, message: str, inner: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **({"innererror": {"code": inner}} if inner else {})}}


def _refusal(status: int, code: str, message: str, inner: str = "") -> web.Response:
    return web.json_response(_error(code, message, inner), status=status)


def _absent(name: str) -> web.Response:
    return _refusal(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")


@asynccontextmanager
async def serving(certificate: Certificate) -> AsyncIterator[KeyVault]:
    """A vault with nothing in it."""
    vault = KeyVault(certificate)
    app = web.Application(middlewares=[vault._gate])
    app.router.add_get("/secrets/{name}/versions", vault._versions)
    for path in ("/secrets/{name}", "/secrets/{name}/", "/secrets/{name}/{version}"):
        app.router.add_get(path, vault._get)
        app.router.add_patch(path, vault._update)
    app.router.add_put("/secrets/{name}", vault._set)
    app.router.add_post("/deletedsecrets/{name}/recover", vault._recover)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    [address] = runner.addresses
    vault.url = f"https://127.0.0.1:{address[1]}"
    # The SDK takes a challenge whose resource is the vault's parent domain; of this host that is the last three numbers.
    vault.resource = f"https://0.0.1:{address[1]}"
    yield vault
    await runner.cleanup()


def secrets(vault: KeyVault, clock: Clock, *, token: str = TOKEN) -> KeyVaultSecrets:
    """The SecretStore on that vault, whose retries take no time."""
    return KeyVaultSecrets(
        Vault(
            vault.url,
            identity=lambda: StaticCredential(token),
            connection_verify=str(vault.certificate.certificate),
            retry_policy=Patient(retry_total=2, retry_backoff_factor=0),
        ),
        clock=clock,
    )
