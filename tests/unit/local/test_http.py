"""HTTP functions on the embedded host."""

from __future__ import annotations

import asyncio
import logging

import azure.functions as func
import pytest

from tests.unit.local.conftest import Start, until

ANYBODY = func.AuthLevel.ANONYMOUS


@pytest.fixture
def app() -> func.FunctionApp:
    app = func.FunctionApp()

    @app.route(route="webhooks/{channel}", methods=["POST"], auth_level=ANYBODY)
    async def webhooks(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(f"{req.route_params['channel']}:{req.get_body().decode()}")

    @app.route(route="echo/{name}", methods=["GET", "POST"], auth_level=ANYBODY)
    async def echo(req: func.HttpRequest) -> func.HttpResponse:
        lines = [
            req.method,
            req.url.partition("/api/")[2],
            req.route_params["name"],
            req.params.get("q", ""),
            req.headers.get("X-Two", ""),
        ]
        return func.HttpResponse("|".join(lines))

    @app.route(route="shaped", methods=["GET"], auth_level=ANYBODY)
    async def shaped(req: func.HttpRequest) -> func.HttpResponse:
        headers = {"X-Own": "yes", "Set-Cookie": "a=b; HttpOnly"}
        return func.HttpResponse(b'{"ok": 1}', status_code=202, mimetype="application/json", headers=headers)

    @app.route(route="threaded", methods=["GET"], auth_level=ANYBODY)
    def threaded(req: func.HttpRequest) -> str:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return "in a thread"

    @app.route(route="fails", methods=["GET"], auth_level=ANYBODY)
    async def fails(req: func.HttpRequest) -> func.HttpResponse:
        raise ValueError("the secret reason")

    @app.route(route="kept", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
    async def kept(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("for operators")

    return app


async def test_a_request_arrives_whole(start: Start, app: func.FunctionApp) -> None:
    host = await start(app)
    status, text = await host.get("/api/echo/a%2Fb%20c?q=%C3%A4&r=", headers=[("X-Two", "1"), ("X-Two", "2")])
    assert (status, text) == (200, "GET|echo/a%2Fb%20c?q=%C3%A4&r=|a/b c|ä|1,2")


async def test_a_body_arrives_as_its_raw_bytes(start: Start, app: func.FunctionApp) -> None:
    host = await start(app)
    compressed = {"Content-Encoding": "gzip"}
    status, text = await host.get("/api/webhooks/x", method="POST", data=b"not gzip at all", headers=compressed)
    assert (status, text) == (200, "x:not gzip at all"), "a signature is over what was sent"


async def test_a_response_keeps_its_shape(start: Start, app: func.FunctionApp) -> None:
    host = await start(app)
    async with host.http.get(host.url + "/api/shaped") as response:
        assert (response.status, await response.read()) == (202, b'{"ok": 1}')
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["X-Own"] == "yes"
        assert response.headers["Set-Cookie"] == "a=b; HttpOnly"


async def test_a_function_that_is_no_coroutine_runs_in_a_thread(start: Start, app: func.FunctionApp) -> None:
    assert await (await start(app)).get("/api/threaded") == (200, "in a thread")


@pytest.mark.parametrize("path", ["/", "/api", "/api/nothing", "/api/echo", "/api/echo/a/b", "/shaped"])
async def test_what_is_not_there_is_not_found(start: Start, app: func.FunctionApp, path: str) -> None:
    status, _ = await (await start(app)).get(path)
    assert status == 404


async def test_a_method_that_is_not_taken_is_not_found_as_in_azure(start: Start, app: func.FunctionApp) -> None:
    status, _ = await (await start(app)).get("/api/shaped", method="DELETE")
    assert status == 404


async def test_routes_do_not_mind_case_and_a_last_slash(start: Start, app: func.FunctionApp) -> None:
    assert (await (await start(app)).get("/API/Shaped/"))[0] == 202


async def test_a_failure_is_a_plain_500_and_a_log_entry(
    start: Start, app: func.FunctionApp, caplog: pytest.LogCaptureFixture
) -> None:
    host = await start(app)
    with caplog.at_level(logging.ERROR):
        status, text = await host.get("/api/fails")
    assert status == 500
    assert "secret" not in text
    assert "Traceback" not in text
    assert "ValueError" in caplog.text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 401),
        ({"headers": {"x-functions-key": "wrong"}}, 401),
        ({"headers": {"x-functions-key": "ä"}}, 401),
        ({"headers": {"x-functions-key": "the host's key"}}, 200),
        ({"params": {"code": "the host's key"}}, 200),
    ],
)
async def test_a_function_that_is_not_anonymous_wants_the_key(
    start: Start, app: func.FunctionApp, options: dict[str, dict[str, str]], expected: int
) -> None:
    status, _ = await (await start(app)).get("/api/kept", **options)
    assert status == expected


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.1:99", "localhost:7071", "LOCALHOST", "[::1]:7071"])
async def test_names_of_this_machine_are_served(start: Start, app: func.FunctionApp, name: str) -> None:
    assert (await (await start(app)).get("/api/shaped", headers={"Host": name}))[0] == 202


@pytest.mark.parametrize("name", ["example.org", "127.0.0.1.example.org", "localhost.example.org:7071", "evil", "::1"])
async def test_any_other_name_is_refused(start: Start, app: func.FunctionApp, name: str) -> None:
    status, _ = await (await start(app)).get("/api/shaped", headers={"Host": name})
    assert status == 403


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/webhooks/telegram", 200),
        ("/api/webhooks/webhook", 200),
        ("/api/webhooks/web", 403),
        ("/api/webhooks/WEB/", 403),
        ("/api/webhooks/w%65b", 403),
    ],
)
async def test_a_tunnel_reaches_the_webhooks_of_platforms_and_nothing_else(
    start: Start, app: func.FunctionApp, path: str, expected: int
) -> None:
    from yarl import URL

    host = await start(app)
    url = URL(host.url + path, encoded=True)
    async with host.http.post(url, data=b"", headers={"Host": "praxos.example.org"}) as response:
        assert response.status == expected


async def test_a_body_over_the_limit_is_refused(start: Start, app: func.FunctionApp) -> None:
    host = await start(app, PRAXOS_MAX_FILE_BYTES="1000")
    status, _ = await host.get("/api/webhooks/x", method="POST", data=b"x" * 2_000_000)
    assert status == 413
    status, _ = await host.get("/api/webhooks/x", method="POST", data=b"x" * 1_000_000)
    assert status == 200


async def test_a_client_that_asks_before_it_sends_a_body_is_told_to_go_on(start: Start, app: func.FunctionApp) -> None:
    host = await start(app)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(host.url.rpartition(":")[2]))
    head = "POST /api/webhooks/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    writer.write(head.encode())
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"body")
    assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert await asyncio.wait_for(reader.readexactly(6), 10) == b"x:body"
    writer.close()


async def test_a_client_that_leaves_in_the_middle_does_no_harm(
    start: Start, app: func.FunctionApp, caplog: pytest.LogCaptureFixture
) -> None:
    host = await start(app)
    port = int(host.url.rpartition(":")[2])
    for tail in ("Content-Length: 400\r\n\r\nbody", "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST /api/webhooks/x HTTP/1.1\r\nHost: localhost\r\n{tail}".encode())
        await writer.drain()
        writer.close()
    assert (await host.get("/api/shaped"))[0] == 202
    assert "Traceback" not in caplog.text


async def test_what_is_not_http_is_refused_without_harm(start: Start, app: func.FunctionApp) -> None:
    host = await start(app)
    port = int(host.url.rpartition(":")[2])
    for garbage in (
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(garbage)
        answer = await asyncio.wait_for(reader.read(), 10)
        assert b" 400 " in answer.split(b"\r\n")[0]
        assert b"Traceback" not in answer
        writer.close()
    assert (await host.get("/api/shaped"))[0] == 202


async def test_a_request_in_work_is_finished_before_the_host_ends(start: Start) -> None:
    app, entered, go = func.FunctionApp(), asyncio.Event(), asyncio.Event()

    @app.route(route="slow", auth_level=ANYBODY)
    async def slow(req: func.HttpRequest) -> func.HttpResponse:
        entered.set()
        await go.wait()
        return func.HttpResponse("finished")

    host = await start(app)
    asking = asyncio.create_task(host.get("/api/slow"))
    await entered.wait()
    stopping = asyncio.create_task(host.host.stop(seconds=10))
    await asyncio.sleep(0)
    go.set()
    assert await asking == (200, "finished")
    await stopping


async def test_a_function_past_its_time_out_is_cut_off(start: Start) -> None:
    from local.host_json import HostJson

    app, cancelled = func.FunctionApp(), asyncio.Event()

    @app.route(route="endless", auth_level=ANYBODY)
    async def endless(req: func.HttpRequest) -> func.HttpResponse:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return func.HttpResponse()

    host = await start(app, host_json=HostJson.model_validate({"version": "2.0", "functionTimeout": "00:00:00.05"}))
    assert (await host.get("/api/endless"))[0] == 500
    await until(cancelled.is_set)
