"""The signed session cookie of a browser, and the token of the terminal."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping

from shared.messages import Unverified

COOKIE_DAYS = 400
"""The longest life that browsers give a cookie; it is renewed with every load of the page."""


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


class Sessions:
    """Makes and checks session cookies: a random id and an HMAC-SHA256 of it."""

    def __init__(self, *, key: str) -> None:
        if len(key) < 32:
            raise ValueError("the web session key is too short")
        self._key = key.encode()
        # A browser sends a machine's cookies to every port: two installations on one must not overwrite each other's.
        self.cookie = "praxos_session_" + self._sign("cookie")[:8]

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def issue(self) -> str:
        """The value of a new person's cookie."""
        return self.value(secrets.token_urlsafe(18))

    def value(self, session: str) -> str:
        """The cookie's value for a session id."""
        return f"{session}.{self._sign(session)}"

    def present(self, headers: Mapping[str, str]) -> bool:
        """True when the request carries our cookie, valid or not."""
        return any(True for _ in self._values(headers))

    def read(self, headers: Mapping[str, str]) -> str:
        """The session id that the request's cookie proves. Raises Unverified."""
        for value in self._values(headers):
            session, _, signature = value.partition(".")
            if session and _same(signature, self._sign(session)):
                return session
        raise Unverified("no valid session cookie")

    def _values(self, headers: Mapping[str, str]) -> Iterator[str]:
        # The standard library's parser drops everything behind a cookie that it finds malformed, also another program's.
        for pair in headers.get("cookie", "").split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self.cookie:
                yield value

    def set_cookie(self, value: str, *, secure: bool) -> str:
        """The Set-Cookie header that keeps a value."""
        flags = "; Secure" if secure else ""
        return f"{self.cookie}={value}; Path=/; Max-Age={COOKIE_DAYS * 86400}; HttpOnly; SameSite=Strict{flags}"


def check_bearer(headers: Mapping[str, str], *, token: str) -> None:
    """Raises Unverified unless the request carries the token."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token or not _same(given.strip(), token):
        raise Unverified("no valid bearer token")
