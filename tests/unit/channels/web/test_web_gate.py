"""Who may in: every way of proving it, and every way of failing to."""

from __future__ import annotations

import pytest

from shared.channels.web.gate import TERMINAL, Gate
from shared.channels.web.session import Sessions
from shared.channels.web.settings import SignIn, WebSettings
from shared.messages import Unverified
from shared.ports import WebhookRequest

SESSIONS = Sessions(key="k" * 32)
COOKIE = f"{SESSIONS.cookie}={SESSIONS.value('mia')}"
TOKEN = "t" * 43
HERE = {"host": "127.0.0.1:7071"}
OURS = {**HERE, "origin": "http://127.0.0.1:7071"}


def gate(**environ: str) -> Gate:
    return Gate(settings=WebSettings.from_environ(environ), sessions=SESSIONS, token=TOKEN)


def request(method: str = "POST", **headers: str) -> WebhookRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebhookRequest(
        method=method, url="http://127.0.0.1:7071/api/webhooks/web", headers=named, query={}, body=b""
    )


def test_the_page_of_this_machine_is_let_in() -> None:
    assert gate().identify(request(**OURS, cookie=COOKIE)).id == "mia"


def test_reading_needs_no_origin() -> None:
    assert gate().identify(request("GET", **HERE, cookie=COOKIE)).id == "mia"


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        SESSIONS.cookie,
        f"{SESSIONS.cookie}=",
        f"{SESSIONS.cookie}=mia",
        f"{SESSIONS.cookie}=mia.",
        f"{SESSIONS.cookie}=.{SESSIONS.value('').partition('.')[2]}",
        f"{SESSIONS.cookie}=mia.{'0' * 64}",
        f"{SESSIONS.cookie}={SESSIONS.value('mia')}0",
        f"{SESSIONS.cookie}=eve.{SESSIONS.value('mia').partition('.')[2]}",
        f"{SESSIONS.cookie}=mia.\ud800é",
        f"{SESSIONS.cookie}={Sessions(key='x' * 32).value('mia')}",
        f"other={SESSIONS.value('mia')}",
    ],
)
def test_a_forged_cookie_is_refused(cookie: str) -> None:
    with pytest.raises(Unverified):
        gate().identify(request(**OURS, cookie=cookie))


def test_another_programs_cookies_do_not_hide_ours() -> None:
    crowd = f'theme="a,b"; =; x; bad[name]=1; {COOKIE}; last=1'
    assert gate().identify(request(**OURS, cookie=crowd)).id == "mia"


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "http://127.0.0.1:7072",
        "http://127.0.0.1",
        "http://127.0.0.1:7071.evil.example",
        "http://evil.example",
        "http://localhost:7071",
        "not an origin",
    ],
)
def test_another_sites_page_cannot_write(origin: str | None) -> None:
    headers = HERE if origin is None else {**HERE, "origin": origin}
    with pytest.raises(Unverified):
        gate().identify(request(**headers, cookie=COOKIE))


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:7071", "127.0.0.1.evil.example", "192.168.0.7:7071"]
)
def test_a_rebound_name_is_refused(host: str) -> None:
    with pytest.raises(Unverified):
        gate().identify(request(host=host, origin=f"http://{host}", cookie=COOKIE))


def test_the_terminal_shows_its_token_and_needs_no_origin() -> None:
    assert gate().identify(request(**HERE, authorization=f"Bearer {TOKEN}")).id == TERMINAL


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é\ud800"])
def test_a_wrong_token_is_refused_even_beside_a_good_cookie(given: str) -> None:
    with pytest.raises(Unverified):
        gate().identify(request(**OURS, authorization=given, cookie=COOKIE))


def test_a_token_does_not_excuse_a_foreign_origin() -> None:
    with pytest.raises(Unverified):
        gate().identify(request(**HERE, origin="http://evil.example", authorization=f"Bearer {TOKEN}"))


AZURE = {"WEBSITE_INSTANCE_ID": "1", "FUNCTIONS_WORKER_RUNTIME": "python"}
SITE = {"host": "praxos.example", "origin": "https://praxos.example"}


def test_in_azure_the_platform_says_who_it_is() -> None:
    person = gate(**AZURE, WEBSITE_AUTH_ENABLED="True").identify(
        request(**SITE, x_ms_client_principal_id="42", x_ms_client_principal_name="mia@example.org")
    )
    assert (person.id, person.name) == ("42", "mia@example.org")


def test_behind_a_proxy_the_origin_is_the_one_that_is_set() -> None:
    behind = gate(WEBSITE_AUTH_ENABLED="true", PRAXOS_WEB_ORIGIN="https://chat.example")
    signed_in = {"host": "inner.example", "x_ms_client_principal_id": "42"}
    assert behind.identify(request(**signed_in, origin="https://chat.example")).id == "42"
    with pytest.raises(Unverified):
        behind.identify(request(**signed_in, origin="https://chat.example.evil.example"))


def test_two_identity_providers_may_use_the_same_id() -> None:
    closed = gate(WEBSITE_AUTH_ENABLED="true")
    ids = {
        closed.identify(request(**SITE, x_ms_client_principal_id="42", x_ms_client_principal_idp=idp)).id
        for idp in ("aad", "google", "github")
    }
    assert len(ids) == 3


@pytest.mark.parametrize(
    "headers",
    [
        SITE,
        {**SITE, "x_ms_client_principal_id": ""},
        {**SITE, "cookie": COOKIE},
        {**SITE, "authorization": f"Bearer {TOKEN}"},
        {"host": "praxos.example", "x_ms_client_principal_id": "42"},
        {"host": "praxos.example", "origin": "https://evil.example", "x_ms_client_principal_id": "42"},
    ],
)
def test_in_azure_nothing_else_counts(headers: dict[str, str]) -> None:
    with pytest.raises(Unverified):
        gate(**AZURE, WEBSITE_AUTH_ENABLED="true").identify(request(**headers))


def test_without_platform_sign_in_its_headers_are_not_believed() -> None:
    for environ in ({}, AZURE):
        with pytest.raises(Unverified):
            gate(**environ).identify(request(**OURS, x_ms_client_principal_id="42"))


@pytest.mark.parametrize(
    "environ",
    [
        AZURE,
        {"WEBSITE_SKU": "FlexConsumption"},
        {"FUNCTIONS_WORKER_RUNTIME": "python"},
        {**AZURE, "AZURE_FUNCTIONS_ENVIRONMENT": "Development"},
    ],
)
def test_where_nobody_vouches_the_chat_is_closed(environ: dict[str, str]) -> None:
    assert WebSettings.from_environ(environ).sign_in is SignIn.OFF
    for headers in ({"cookie": COOKIE}, {"authorization": f"Bearer {TOKEN}"}):
        with pytest.raises(Unverified):
            gate(**environ).identify(request(**OURS, **headers))


def test_core_tools_on_this_machine_are_local() -> None:
    environ = {"FUNCTIONS_WORKER_RUNTIME": "python", "AZURE_FUNCTIONS_ENVIRONMENT": "Development"}
    assert WebSettings.from_environ(environ).sign_in is SignIn.COOKIE


def test_two_installations_on_one_machine_have_cookies_of_their_own() -> None:
    assert Sessions(key="a" * 32).cookie != Sessions(key="b" * 32).cookie


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites() -> None:
    flags = SESSIONS.set_cookie("v", secure=True).split("; ")[1:]
    assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= set(flags)
    assert "Secure" not in SESSIONS.set_cookie("v", secure=False)
