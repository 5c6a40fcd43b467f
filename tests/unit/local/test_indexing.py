"""What the host makes of the functions of an app, and what it refuses by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func
import pytest

from local import host_json, indexing, roles
from local.indexing import ActivityFunction, HttpFunction, OrchestratorFunction, QueueFunction, TimerFunction
from local.routes import Routes
from shared import topology
from shared.messages import SettingError

ROOT = Path(__file__).resolve().parents[3]


def index(app: func.FunctionApp, **app_settings: str) -> list[indexing.Function]:
    return indexing.index(app.get_functions(), app_settings=app_settings)


async def nothing(**_: object) -> None:
    pass


def http(route: str, *methods: str, name: str = "") -> HttpFunction:
    return HttpFunction(name or route, nothing, "req", route, frozenset(methods), True)


def queue(name: str, path: str) -> QueueFunction:
    return QueueFunction(name, nothing, "message", path, sessions=False)


def timer(name: str) -> TimerFunction:
    return TimerFunction(name, nothing, "timer", "* * * * * *", False, False)


def test_each_trigger_is_described() -> None:
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @app.route(route="things/{id}", methods=["GET", "POST"])
    async def things(req: func.HttpRequest) -> func.HttpResponse: ...

    @app.route(methods=["GET"], auth_level=func.AuthLevel.ADMIN)
    async def kept(req: func.HttpRequest) -> func.HttpResponse: ...

    @app.service_bus_queue_trigger(
        arg_name="message", queue_name="%QUEUE%/$DeadLetterQueue", connection="C", is_sessions_enabled=True
    )
    async def intake(message: func.ServiceBusMessage) -> None: ...

    @app.timer_trigger(arg_name="timer", schedule="%EVERY%", run_on_startup=True)
    async def sweeper(timer: func.TimerRequest) -> None: ...

    first, second, third, fourth = index(app, QUEUE="inbound", EVERY="0 * * * * *")
    assert isinstance(first, HttpFunction)
    assert (first.route, first.methods, first.anonymous) == ("things/{id}", {"GET", "POST"}, True)
    assert isinstance(second, HttpFunction)
    assert (second.route, second.anonymous) == ("kept", False)
    assert isinstance(third, QueueFunction)
    assert (third.queue, third.sessions, third.argument) == ("inbound/$DeadLetterQueue", True, "message")
    assert third.dead_letters
    assert isinstance(fourth, TimerFunction)
    assert (fourth.schedule, fourth.at_start, fourth.monitored) == ("0 * * * * *", True, True)


def test_durable_triggers_and_clients_are_described() -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context", orchestration="long run")
    def run(context: df.DurableOrchestrationContext): ...

    @app.activity_trigger(input_name="what")
    def work(what: str) -> str: ...

    @app.service_bus_queue_trigger(arg_name="message", queue_name="turns", connection="C")
    @app.durable_client_input(client_name="client")
    async def turns(client: df.DurableOrchestrationClient, message: func.ServiceBusMessage) -> None: ...

    first, second, third = index(app)
    assert isinstance(first, OrchestratorFunction)
    assert (first.name, first.known_as, first.client) == ("run", "long run", "")
    assert isinstance(second, ActivityFunction)
    assert (second.known_as, second.argument) == ("work", "what")
    assert isinstance(third, QueueFunction)
    assert (third.argument, third.client) == ("message", "client")
    assert [indexing.uses_durable(each) for each in (first, second, third)] == [True, True, True]
    assert [roles.role_of(each) for each in (first, second, third)] == ["durable", "durable", "turns"]


def other_context(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="ctx")
    def reader(ctx: df.DurableOrchestrationContext): ...


def entity(app: df.DFApp) -> None:
    @app.entity_trigger(context_name="context")
    def reader(context: df.DurableEntityContext): ...


def other_hub(app: df.DFApp) -> None:
    @app.timer_trigger(arg_name="timer", schedule="* * * * * *")
    @app.durable_client_input(client_name="client", task_hub="other")
    async def reader(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None: ...


def no_client(app: df.DFApp) -> None:
    @app.timer_trigger(arg_name="timer", schedule="* * * * * *")
    @app.durable_client_input(client_name="client")
    async def reader(timer: func.TimerRequest, other: str) -> None: ...


@pytest.mark.parametrize(
    ("add", "named"),
    [(other_context, "context, not ctx"), (entity, "entityTrigger"), (other_hub, "taskHub"), (no_client, "client")],
)
def test_what_is_not_implemented_of_durable_functions_is_refused_by_name(
    add: Callable[[df.DFApp], None], named: str
) -> None:
    app = df.DFApp()
    add(app)
    with pytest.raises(SettingError, match=f"reader.*{named}"):
        index(app)


def blob(app: func.FunctionApp) -> None:
    @app.blob_trigger(arg_name="blob", path="a/b", connection="C")
    async def reader(blob: func.InputStream) -> None: ...


def output(app: func.FunctionApp) -> None:
    @app.timer_trigger(arg_name="timer", schedule="* * * * * *")
    @app.queue_output(arg_name="out", queue_name="q", connection="C")
    async def reader(timer: func.TimerRequest) -> str: ...


def batch(app: func.FunctionApp) -> None:
    @app.service_bus_queue_trigger(
        arg_name="message", queue_name="turns", connection="C", cardinality=func.Cardinality.MANY
    )
    async def reader(message: list[func.ServiceBusMessage]) -> None: ...


def extra_argument(app: func.FunctionApp) -> None:
    @app.timer_trigger(arg_name="timer", schedule="* * * * * *")
    async def reader(timer: func.TimerRequest, context: func.Context) -> None: ...


@pytest.mark.parametrize(
    ("add", "named"), [(blob, "blobTrigger"), (output, "queue"), (batch, "cardinality"), (extra_argument, "timer")]
)
def test_what_is_not_implemented_is_refused_by_name(add: Callable[[func.FunctionApp], None], named: str) -> None:
    app = func.FunctionApp()
    add(app)
    with pytest.raises(SettingError, match=f"reader.*{named}"):
        index(app)


def test_a_setting_that_is_missing_is_named() -> None:
    app = func.FunctionApp()

    @app.timer_trigger(arg_name="timer", schedule="%PRAXOS_NOWHERE%")
    async def sweeper(timer: func.TimerRequest) -> None: ...

    with pytest.raises(SettingError, match=r"PRAXOS_NOWHERE is missing.*sweeper"):
        index(app)


def test_routes_prefer_literals_and_tell_methods_apart() -> None:
    functions = [
        http("things/{*rest}", name="rest"),
        http("things/{id}", "GET", name="one"),
        http("things/{number:int}/part", name="part"),
        http("things/all", "GET", name="all"),
        http("things/{id}", "DELETE", name="remove"),
    ]
    routes = Routes(functions, prefix="api")

    def name(method: str, path: str) -> str | None:
        found = routes.find(method, path)
        return found[0].name if found else None

    assert name("GET", "/api/things/all") == "all"
    assert name("GET", "/api/things/some") == "one"
    assert name("DELETE", "/api/things/all") == "remove"
    assert name("GET", "/api/things/12/part") == "part"
    assert name("GET", "/api/things/x/part") == "rest"
    assert name("POST", "/api/things/some") == "rest"
    assert name("GET", "/things/all") is None
    assert routes.find("GET", "/api/things/%2e%2e%2fetc") == (functions[1], {"id": "../etc"})


@pytest.mark.parametrize("route", ["a/{b?}", "a/{b:range(1,2)}", "a/x{b}", "{b:nonsense}"])
def test_a_route_that_is_not_implemented_is_refused(route: str) -> None:
    with pytest.raises(SettingError, match="holder"):
        Routes([http(route, name="holder")], prefix="api")


def test_roles_are_the_scale_groups_of_flex_consumption() -> None:
    dead = topology.DEAD_LETTER_SUFFIX
    assert roles.role_of(http("anything")) == "http"
    assert roles.role_of(queue("x", topology.INBOUND)) == "intake"
    assert roles.role_of(queue("x", topology.TURNS)) == "turns"
    assert roles.role_of(queue("x", topology.BACKGROUND)) == "background"
    assert roles.role_of(queue("x", topology.OUTBOUND)) == "deliveries"
    assert roles.role_of(queue("x", topology.DEAD_LETTERS)) == "dead_letters"
    assert {roles.role_of(queue("x", name + dead)) for name in topology.QUEUES} == {"dead_letters"}
    assert roles.role_of(timer("sweeper")) == "sweeper"
    for stranger in (queue("stranger", "nowhere"), timer("stranger")):
        with pytest.raises(SettingError, match="stranger"):
            roles.role_of(stranger)


def test_every_function_of_the_app_has_a_role_and_every_role_a_function() -> None:
    import subprocess
    import sys

    # The app can be indexed once in a process, so this looks at it in another one.
    code = """
import function_app
from local import indexing, roles
from shared.settings import Settings
names = {n: str(v) for n, v in Settings.from_environ({}).model_dump(mode="json", by_alias=True).items()}
functions = indexing.index(function_app.app.get_functions(), app_settings=names)
present = {roles.role_of(function) for function in functions}
for role in present:
    print(role, len(roles.select(functions, role)))
assert sum(len(roles.select(functions, role)) for role in present) == len(functions)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    # Whether the app has orchestrations is not this test's business.
    assert {line.split()[0] for line in done.stdout.splitlines()} | {roles.DURABLE} == set(roles.ROLES)


def test_the_projects_host_json_is_what_the_host_implements() -> None:
    found = host_json.read(ROOT / "host.json")
    assert found.extensions.service_bus.prefetch_count == 0
    assert found.extensions.durable_task.hub_name == "praxos"
    assert found.function_timeout.total_seconds() == 600


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "the file"),
        ('{"version": "1.0"}', "version"),
        ('{"version": "2.0", "extensions": {"serviceBus": {"prefetchCount": 10}}}', "prefetchCount"),
        ('{"version": "2.0", "extensions": {"serviceBus": {"sessionHandlerOptions": {}}}}', "sessionHandlerOptions"),
        ('{"version": "2.0", "functionTimeout": "soon"}', "functionTimeout"),
        ('{"version": "2.0", "extensions": {"durableTask": {"hubName": "%HUB%"}}}', "hubName"),
        ('{"version": "2.0", "extensions": {"durableTask": {"extendedSessionsEnabled": true}}}', "extendedSessions"),
    ],
)
def test_an_option_that_is_not_implemented_is_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "host.json"
    path.write_text(text)
    with pytest.raises(SettingError, match=f"host.json: .*{named}"):
        host_json.read(path)
    with pytest.raises(SettingError, match="cannot be read"):
        host_json.read(tmp_path / "nowhere.json")
