"""The web chat's own page: who may have it, the cookie that goes with it, and the files that it is made of."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from shared.channels.web import assets
from shared.channels.web.gate import Gate
from shared.channels.web.settings import SignIn, WebSettings
from shared.messages import Unverified
from shared.ports import WebhookRequest, WebhookResponse

HTML = "text/html"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_CLOSED = "The web chat is closed here, because nobody signs people in: turn on App Service authentication."
_ELSEWHERE = "The local web chat answers to its own machine only: open it at http://127.0.0.1."


def answer_page(*, request: WebhookRequest, settings: WebSettings, gate: Gate, max_file_bytes: int) -> WebhookResponse:
    """The page for whoever may have it; on this machine with a session cookie, renewed or new."""
    if settings.sign_in is SignIn.OFF:
        return _words(403, _CLOSED)
    page = assets.page(max_file_bytes)
    if settings.sign_in is SignIn.PLATFORM:
        return _html(page) if _signed_in(request, gate) else _to_sign_in(request, settings)
    if not gate.is_local(request):
        return _words(403, _ELSEWHERE)
    if not gate.sessions.present(request.headers) and _followed_from_elsewhere(request):
        # A strict cookie does not come along from another site's link, and a new one would replace it: ask once more,
        # this time from a page of our own.
        return _html(b'<!doctype html><title>Praxos</title><meta http-equiv="refresh" content="0">')
    try:
        value = gate.sessions.value(gate.sessions.read(request.headers))
    except Unverified:
        value = gate.sessions.issue()
    secure = urlsplit(request.url).scheme == "https"
    return _html(page, {"Set-Cookie": gate.sessions.set_cookie(value, secure=secure)})


def answer_asset(*, request: WebhookRequest, name: str) -> WebhookResponse:
    """One of the page's files, or 304 where the browser still has it."""
    asset = assets.asset(name)
    if asset is None:
        return _words(404, "There is no such file.")
    headers = {**HEADERS, "ETag": asset.etag, "Cache-Control": "no-cache"}
    if asset.etag in request.headers.get("if-none-match", ""):
        return WebhookResponse(status=304, media_type=asset.media_type, headers=headers)
    return WebhookResponse(body=asset.content, media_type=asset.media_type, headers=headers)


def _signed_in(request: WebhookRequest, gate: Gate) -> bool:
    try:
        gate.identify(request)
    except Unverified:
        return False
    return True


def _to_sign_in(request: WebhookRequest, settings: WebSettings) -> WebhookResponse:
    back = quote(urlsplit(request.url).path, safe="")
    return WebhookResponse(status=302, headers={"Location": f"{settings.sign_in_path}?post_login_redirect_uri={back}"})


def _followed_from_elsewhere(request: WebhookRequest) -> bool:
    return request.headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")


def _html(body: bytes, headers: dict[str, str] | None = None) -> WebhookResponse:
    return WebhookResponse(
        body=body, media_type=HTML, headers={**HEADERS, "Cache-Control": "no-store", **(headers or {})}
    )


def _words(status: int, words: str) -> WebhookResponse:
    return WebhookResponse(status=status, body=words.encode(), media_type="text/plain", headers=HEADERS)
