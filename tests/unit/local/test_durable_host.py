"""The host gives Durable Functions to the functions that take them, and loads nothing of them where none does."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from azure.durable_functions.models.utils import http_utils

from local import indexing, roles
from local.durable.binding import client_binding
from local.invocations import Invocations
from tests.unit.local.conftest import Start, until

ROOT = Path(__file__).resolve().parents[3]


def app_of(seen: list[Any]) -> df.DFApp:
    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @app.route(route="runs/{id}", methods=["POST"])
    @app.durable_client_input(client_name="client")
    async def begin(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
        id = await client.start_new("run", req.route_params["id"], req.get_body().decode())
        return client.create_check_status_response(req, id)

    @app.service_bus_queue_trigger(arg_name="message", queue_name="turns", connection="C")
    @app.durable_client_input(client_name="client")
    async def ring(message: func.ServiceBusMessage, client: df.DurableOrchestrationClient) -> None:
        await client.raise_event(message.get_body().decode(), "bell")
        seen.append("rang")

    @app.activity_trigger(input_name="what")
    @app.durable_client_input(client_name="client")
    async def look(what: str, client: df.DurableOrchestrationClient) -> str:
        return f"{what}:{(await client.get_status(what)).name}"

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        yield context.wait_for_external_event("bell")
        found = yield context.call_activity("look", context.instance_id)
        return [context.get_input(), found]

    return app


async def test_each_kind_of_function_gets_a_client_that_works(start: Start) -> None:
    seen: list[Any] = []
    running = await start(app_of(seen))

    status, _ = await running.get("/api/runs/one", method="POST", data="in")
    assert status == 202
    await running.send("turns", "one")
    await until(lambda: seen)

    assert await output(running.host, "one") == '["in", "one:run"]'


async def test_the_processes_of_different_roles_work_on_the_same_instances(start: Start) -> None:
    seen: list[Any] = []
    functions = indexing.index(app_of(seen).get_functions(), app_settings={})
    assert {function.name for function in roles.select(functions, "durable")} == {"run", "look"}
    http = await start(roles.select(functions, "http"))
    await start(roles.select(functions, "turns"))
    durable = await start(roles.select(functions, "durable"))

    await http.get("/api/runs/two", method="POST", data="in")
    await http.send("turns", "two")

    assert await output(durable.host, "two") == '["in", "two:run"]'


async def output(host: Any, id: str) -> str | None:
    """What an instance returned, as it lies in the file."""
    (service,) = {stop.__self__ for stop in host._stops if type(stop.__self__).__name__ == "DurableService"}
    await until(lambda: (at := service._storage.instance(id=id)) and at.status.final, "its end")
    found = service._storage.instance(id=id)
    assert found
    return found.output


async def test_a_host_that_stops_leaves_no_session_of_the_library_open(start: Start) -> None:
    running = await start(app_of([]))
    await running.get("/api/runs/three", method="POST", data="in")
    assert http_utils._client_session is not None

    await running.host.stop(seconds=1)

    assert http_utils._client_session is None


async def test_taking_a_client_costs_a_message_next_to_nothing() -> None:
    app = df.DFApp()

    @app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
    async def plain(timer: func.TimerRequest) -> None: ...

    @app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
    @app.durable_client_input(client_name="client")
    async def taking(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None: ...

    invocations = Invocations(function_timeout=timedelta(seconds=20))
    invocations.durable_client = client_binding(7071, hub="praxos", key="k" * 43)
    without, with_one = indexing.index(app.get_functions(), app_settings={})

    async def fastest(function: indexing.Function) -> float:
        rounds = []
        for _ in range(20):
            began = time.perf_counter()
            for _ in range(100):
                await invocations.run(function, None, interactive=False)
            rounds.append((time.perf_counter() - began) / 100)
        return min(rounds)

    extra = await fastest(with_one) - await fastest(without)
    print(f"{extra * 1e6:.1f} µs for a client")
    assert extra < 60e-6, "30 µs are meant; this machine may be busy"


def test_a_process_without_durable_functions_loads_and_opens_nothing_of_them(tmp_path: Path) -> None:
    code = """
import asyncio, os, sys
from pathlib import Path
import azure.functions as func
from local import indexing
from local.host import Host
from local.host_json import HostJson
from local.up import listen
from shared.clock import SystemClock
from shared.settings import Settings

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="x")
async def x(req: func.HttpRequest) -> str:
    return ""

async def main():
    host = Host(
        functions=indexing.index(app.get_functions(), app_settings={}), broker=None,
        settings=Settings.from_environ(os.environ), host_json=HostJson.model_validate({"version": "2.0"}),
        clock=SystemClock(), host_key=None,
    )
    await host.start(listen(0))
    await host.stop(seconds=1)
    print([name for name in sys.modules if name.startswith(("local.durable", "azure.durable_functions"))])

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PRAXOS_HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
    assert list(tmp_path.iterdir()) == []
