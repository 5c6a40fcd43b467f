"""The page, its cookie and its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.channels.web import assets
from shared.channels.web.front import answer_asset, answer_page
from shared.channels.web.gate import Gate
from shared.channels.web.session import Sessions
from shared.channels.web.settings import WebSettings
from shared.ports import WebhookRequest, WebhookResponse

SESSIONS = Sessions(key="k" * 32)
SIGNED_IN = {"WEBSITE_AUTH_ENABLED": "true"}


def page(
    environ: dict[str, str] | None = None, url: str = "http://127.0.0.1:7071/api/chat", **headers: str
) -> WebhookResponse:
    settings = WebSettings.from_environ(environ or {})
    named = {"host": "127.0.0.1:7071", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return answer_page(
        request=WebhookRequest(method="GET", url=url, headers=named, query={}, body=b""),
        settings=settings,
        gate=Gate(settings=settings, sessions=SESSIONS, token="t"),
        max_file_bytes=12_345,
    )


def cookie(response: WebhookResponse) -> str:
    return response.headers["Set-Cookie"].partition(";")[0]


def test_a_first_visit_gets_a_session() -> None:
    response = page()
    assert response.status == 200
    assert SESSIONS.read({"cookie": cookie(response)})
    assert b'data-max-file-bytes="12345"' in response.body


def test_two_visitors_are_two_people() -> None:
    assert cookie(page()) != cookie(page())


def test_a_session_is_renewed() -> None:
    first = cookie(page())
    assert cookie(page(cookie=first)) == first


def test_a_forged_session_becomes_a_new_one() -> None:
    assert "mia" not in cookie(page(cookie=f"{SESSIONS.cookie}=mia.{'0' * 64}"))


def test_a_link_from_elsewhere_does_not_replace_a_session() -> None:
    # The browser keeps a strict cookie back; it comes along when our own page asks again.
    response = page(sec_fetch_site="cross-site")
    assert "Set-Cookie" not in response.headers
    assert b"refresh" in response.body


def test_the_cookie_is_secure_where_the_page_is() -> None:
    assert "Secure" in page(url="https://127.0.0.1:7071/api/chat").headers["Set-Cookie"]


def test_another_name_for_this_machine_gets_no_session() -> None:
    response = page(host="evil.example:7071")
    assert response.status == 403
    assert "Set-Cookie" not in response.headers


def test_in_azure_a_stranger_is_sent_to_sign_in() -> None:
    response = page(SIGNED_IN, url="https://praxos.example/api/chat")
    assert response.status == 302
    assert response.headers["Location"] == "/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fchat"


def test_in_azure_a_person_gets_the_page_and_no_cookie_of_ours() -> None:
    response = page(SIGNED_IN, x_ms_client_principal_id="42")
    assert response.status == 200
    assert "Set-Cookie" not in response.headers


def test_where_nobody_vouches_there_is_no_page() -> None:
    response = page({"WEBSITE_INSTANCE_ID": "1"})
    assert response.status == 403
    assert b"App Service authentication" in response.body


def test_the_page_runs_only_its_own_scripts() -> None:
    headers = page().headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store"


def asset(name: str, **headers: str) -> WebhookResponse:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return answer_asset(request=WebhookRequest(method="GET", url="", headers=named, query={}, body=b""), name=name)


@pytest.mark.parametrize("name", sorted(assets.ASSETS))
def test_an_asset_is_served_and_kept(name: str) -> None:
    first = asset(name)
    assert first.status == 200
    assert first.body
    assert asset(name, if_none_match=first.headers["ETag"]).status == 304
    assert asset(name, if_none_match='"other"').status == 200


@pytest.mark.parametrize("name", ["index.html", "../adapter.py", "..", "", "chat.js/", "%2e%2e/adapter.py", "CHAT.JS"])
def test_nothing_else_is_served(name: str) -> None:
    assert asset(name).status == 404


def test_every_file_of_the_page_is_on_the_list() -> None:
    folder = Path(assets.__file__).parent / "page"
    assert {path.name for path in folder.iterdir()} == {*assets.ASSETS, assets.PAGE}


def test_the_page_needs_nothing_from_elsewhere() -> None:
    folder = Path(assets.__file__).parent / "page"
    for path in folder.iterdir():
        source = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in source, path.name
        assert "https://" not in source, path.name
