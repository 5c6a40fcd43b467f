"""Who a request to the web chat is from. Everything here fails closed."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.channels.web.session import Sessions, check_bearer
from shared.channels.web.settings import SignIn, WebSettings
from shared.messages import Unverified
from shared.ports import WebhookRequest

TERMINAL = "terminal"
"""The chat of whoever can read the data folder."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose identity is proven. `id` is also the id of their chat."""

    id: str
    name: str = ""


class Gate:
    """Checks a request's proof, by the way of signing in that the settings name."""

    def __init__(self, *, settings: WebSettings, sessions: Sessions, token: str) -> None:
        self._settings = settings
        self.token = token
        self.sessions = sessions

    def identify(self, request: WebhookRequest) -> Person:
        """Who it is from. Raises Unverified; any other exception counts as it."""
        match self._settings.sign_in:
            case SignIn.PLATFORM:
                return self._principal(request)
            case SignIn.COOKIE:
                return self._local(request)
            case SignIn.OFF:
                raise Unverified("the web chat is closed: nobody vouches for its people here")

    def is_local(self, request: WebhookRequest) -> bool:
        """True where a cookie may be given out: on this machine, asked for by its own name (no DNS rebinding)."""
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
        return self._settings.sign_in is SignIn.COOKIE and host in _LOOPBACK

    def _principal(self, request: WebhookRequest) -> Person:
        self._check_origin(request)
        principal = request.headers.get("x-ms-client-principal-id", "")
        if not principal:
            raise Unverified("nobody is signed in")
        # Two identity providers may use the same id for different people.
        provider = request.headers.get("x-ms-client-principal-idp", "")
        person = principal if provider in ("", "aad") else f"{provider}.{principal}"
        return Person(id=person, name=request.headers.get("x-ms-client-principal-name", ""))

    def _local(self, request: WebhookRequest) -> Person:
        if not self.is_local(request):
            raise Unverified("the local chat answers on the loopback interface only")
        if "authorization" in request.headers:
            check_bearer(request.headers, token=self.token)
            self._check_origin(request, required=False)
            return Person(id=TERMINAL)
        self._check_origin(request)
        return Person(id=self.sessions.read(request.headers))

    def _check_origin(self, request: WebhookRequest, *, required: bool = True) -> None:
        """Only our own page may write, and no other page may use its reader's cookie to do so."""
        if request.method in ("GET", "HEAD"):
            return
        origin = request.headers.get("origin")
        if origin is None and not required:
            return
        if origin and origin == self._settings.origin:
            return
        if not origin or urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
            raise Unverified("the request's Origin is not this site")
