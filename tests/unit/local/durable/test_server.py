"""The management API itself: who may call it, and what it says."""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

import aiohttp
import azure.durable_functions as df
import pytest

from tests.unit.local.durable.conftest import Durable, Open


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def bare(durable: Durable, path: str) -> str:
    """An address without the key."""
    parts = urlsplit(durable.url)
    return f"http://127.0.0.1:{parts.port}{parts.path}{path}"


def waiting_app() -> df.DFApp:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        return (yield context.wait_for_external_event("go"))

    return app


async def test_nobody_gets_in_without_the_key(start: Open, http: aiohttp.ClientSession) -> None:
    durable = await start(waiting_app())
    key = urlsplit(durable.url).password
    assert key
    assert len(key) >= 32
    wrong = [
        {},
        {"headers": {"Authorization": "Basic " + b64encode(b"durable:guessed").decode()}},
        {"params": {"code": key[:-1]}},
        {"params": {"code": key + "ü"}},
        {"headers": {"Authorization": "Basic nonsense!"}},
        {"headers": {"x-functions-key": ""}},
    ]
    for given in wrong:
        async with http.post(bare(durable, "orchestrators/run/mine"), **given) as response:
            assert response.status == 401
    assert durable.storage.instance(id="mine") is None

    for given in ({"params": {"code": key}}, {"headers": {"x-functions-key": key}}):
        async with http.get(bare(durable, "instances/mine"), **given) as response:
            assert response.status == 404


async def test_it_listens_on_the_loopback_interface_only_and_checks_the_host(
    start: Open, http: aiohttp.ClientSession
) -> None:
    durable = await start(waiting_app())
    port = urlsplit(durable.url).port

    async with http.get(durable.url + "instances/x", headers={"Host": "evil.example"}) as response:
        assert response.status == 403
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.2", port)) != 0


async def test_two_processes_have_two_keys(start: Open) -> None:
    first, second = await start(waiting_app()), await start(df.DFApp(), engine=False)

    assert urlsplit(first.url).password != urlsplit(second.url).password


@pytest.mark.parametrize("id", ["a#b", "a?b", "a/b", "a\\b", "a\nb", "a\x7fb", "", " " * 101])
async def test_ids_that_a_client_cannot_even_write_are_refused(
    start: Open, http: aiohttp.ClientSession, id: str
) -> None:
    from yarl import URL

    durable = await start(waiting_app())
    url = URL(durable.url + "orchestrators/run/" + quote(id, safe=""), encoded=True)
    if not id:
        url = URL(durable.url + "orchestrators/run/%2F", encoded=True)
    async with http.post(url) as response:
        assert response.status == 400
        assert "nstance" in (await response.json())["ExceptionMessage"]


async def test_bodies_are_json(start: Open, http: aiohttp.ClientSession) -> None:
    durable = await start(waiting_app())
    await durable.client.start_new("run", "one")
    await durable.history("one", at_least=3)

    async with http.post(durable.url + "orchestrators/run/two", data=b"{") as response:
        assert response.status == 400
    async with http.post(durable.url + "instances/one/raiseEvent/go", data=b"x=1") as response:
        assert response.status == 400
    headers = {"Content-Type": "application/json"}
    async with http.post(durable.url + "instances/one/raiseEvent/go", data=b"{", headers=headers) as response:
        assert response.status == 400
    async with http.post(durable.url + "instances/one/raiseEvent/go", json={"plain": 1}) as response:
        assert response.status == 202
    assert await durable.output("one") == {"plain": 1}


async def test_the_addresses_in_a_clients_payload_work(start: Open, http: aiohttp.ClientSession) -> None:
    durable = await start(waiting_app())
    id = await durable.client.start_new("run", "a b:c~d")
    urls = durable.client.create_http_management_payload(id)

    async with http.get(urls["statusQueryGetUri"]) as response:
        assert response.status == 202
        assert (await response.json())["instanceId"] == id
    url = urls["sendEventPostUri"].replace("{eventName}", "go")
    async with http.post(url, json="went") as response:
        assert response.status == 202
    assert await durable.output(id) == "went"
    async with http.get(urls["statusQueryGetUri"]) as response:
        assert response.status == 200
    async with http.delete(urls["purgeHistoryDeleteUri"]) as response:
        assert await response.json() == {"instancesDeleted": 1}
    async with http.get(durable.url + "elsewhere") as response:
        assert response.status == 404
