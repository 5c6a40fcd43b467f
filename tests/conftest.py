"""What all tests stand on: no network but loopback, no keys, and the outside data where it is present."""

from __future__ import annotations

import math
import os
import random
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from shared.topology import QUEUES
from tests.fakes import certificates
from tests.fakes.artemis import Artemis, missing
from tests.fakes.azurite import Azurite, serving
from tests.fakes.ports import free_port
from tests.redis_process import RedisProcess

ROOT = Path(__file__).resolve().parents[1]
GUARD = ROOT / "tests" / "guard"

_KEPT = {"PRAXOS_PAYLOADS", "PRAXOS_CHROMIUM"}
_FOREIGN = ("PRAXOS_", "OPENAI_", "GOOGLE_", "GEMINI_", "PORTKEY_", "TELEGRAM_", "ANTHROPIC_", "AZURE_", "WEBSITE_")
_FOREIGN += ("LANGCHAIN_", "LANGSMITH_", "LANGGRAPH_", "OTEL_", "APPLICATIONINSIGHTS_", "FUNCTIONS_", "IDENTITY_")
_FOREIGN += ("ServiceBusConnection",)


def _clean_environment() -> None:
    """Nothing of the developer's own configuration reaches a test, or a process that a test starts."""
    for name in list(os.environ):
        foreign = name.startswith(_FOREIGN) or name.lower().endswith("_proxy")
        if foreign and name not in _KEPT:
            del os.environ[name]
    os.environ["PYTHONPATH"] = str(GUARD)


_clean_environment()
runpy.run_path(str(GUARD / "sitecustomize.py"))

# How fast an example runs, or is found, says more about what else the machine does than about the code.
settings.register_profile(
    "praxos", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], print_blob=True
)
settings.load_profile("praxos")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of `make crash` and of the continuous build."""
    group = parser.getgroup("praxos")
    group.addoption("--share", type=float, default=1.0, help="run this random share of the tests in tests/crash")
    group.addoption(
        "--store",
        choices=("sqlite", "cosmos", "lagging", "service"),
        default="sqlite",
        help="what the hosts of pipeline and crash tests stand on; lagging (pipeline only): Cosmos DB's protocol, with a"
        " process for each scale group that sees what others wrote half a second late; service: the account of"
        " COSMOS_ENDPOINT and COSMOS_KEY, where each test makes a database and deletes it",
    )
    group.addoption("--seed", type=int, default=None, help="the seed of that choice, and of what is random in them")
    group.addoption(
        "--only-skip", action="append", metavar="REGEX", help="fail when a test is skipped for any other reason"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed before any worker starts, so that all make the same choice."""
    from tests.fakes.cosmos import beside  # loads the adapter: only once the environment is clean

    beside.choose(config.option.store)
    if beside.chosen() is beside.Kind.SERVICE and not os.environ.get("COSMOS_ENDPOINT"):
        raise pytest.UsageError("--store service: COSMOS_ENDPOINT and COSMOS_KEY name no account")
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(2**32)


def pytest_report_header(config: pytest.Config) -> str:
    """Say how to run the same tests again."""
    share = config.option.share
    return f"seed: {config.option.seed}, share of the crash suite: {share}, store of the hosts: {config.option.store}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the chosen share of the crash suite."""
    if config.option.share >= 1:
        return
    crash = [item for item in items if (ROOT / "tests" / "crash") in item.path.parents]
    count = min(len(crash), math.ceil(len(crash) * config.option.share))
    kept = set(random.Random(config.option.seed).sample([item.nodeid for item in crash], count))
    dropped = [item for item in crash if item.nodeid not in kept]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if item not in dropped]


class _Skips:
    """The skipped tests whose reason was not foreseen."""

    def __init__(self, foreseen: list[str]) -> None:
        self._foreseen = [re.compile(each) for each in foreseen]
        self._found: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not any(each.search(reason) for each in self._foreseen):
            self._found.append(f"{report.nodeid}: {reason}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._found:
            terminalreporter.write_line(f"SKIPPED WITHOUT LEAVE {line}", red=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Watch the skips where the build asked for it; under xdist, in the process that gathers the reports."""
    foreseen = session.config.option.only_skip
    if foreseen is not None and not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_Skips(foreseen))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of everything that is random in a test: `--seed` repeats it."""
    return request.config.option.seed


@pytest.fixture(scope="session")
def payloads() -> Path:
    """Webhook bodies of the real platforms that nobody here wrote."""
    named = os.environ.get("PRAXOS_PAYLOADS")
    folder = ROOT / named if named else None
    if folder is None or not folder.is_dir():
        pytest.skip("PRAXOS_PAYLOADS names no folder of recorded payloads")
    return folder


@pytest.fixture(scope="session")
def specs(payloads: Path) -> Path:
    """The platforms' own machine-readable specifications, beside the payloads."""
    folder = payloads.parent / "specs"
    if not folder.is_dir():
        pytest.skip("PRAXOS_PAYLOADS has no folder of specifications beside it")
    return folder


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Microsoft's emulator of Azure Storage."""
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificate:
    """What a server on this machine's loopback shows."""
    return certificates.for_loopback(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A real Redis for this worker. Each test has keys of its own in it, and none stops it."""
    with RedisProcess(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A Redis Cluster of two nodes; a node refuses a script whose keys are in two slots, or not its own."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
    buses = [str(free_port()), str(free_port())]
    with (
        RedisProcess(tmp_path_factory.mktemp("redis-1"), *options, "--cluster-port", buses[0]) as one,
        RedisProcess(tmp_path_factory.mktemp("redis-2"), *options, "--cluster-port", buses[1]) as other,
    ):
        one.ask("CLUSTER", "ADDSLOTSRANGE", "0", "8191")
        other.ask("CLUSTER", "ADDSLOTSRANGE", "8192", "16383")
        other.ask("CLUSTER", "MEET", "127.0.0.1", str(one.port), buses[0])
        for node in (one, other):
            node.until(lambda node=node: "cluster_state:ok" in node.ask("CLUSTER", "INFO"))
        yield one


@pytest.fixture(scope="session")
def artemis_server() -> Iterator[Artemis]:
    """An AMQP server with the queues of the topology for this worker."""
    if why := missing():
        pytest.skip(why)
    server = Artemis(list(QUEUES))
    yield server
    server.stop()


@pytest.fixture
def artemis(artemis_server: Artemis) -> Artemis:
    """The server, with nothing on it and without faults."""
    artemis_server.forget()
    return artemis_server
