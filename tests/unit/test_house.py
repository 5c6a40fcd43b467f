"""The house's own rules: names, imports, what is deployed, what is written down."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distributions, packages_distributions
from inspect import iscoroutinefunction, signature
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from shared import registry
from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CODE = ("function_app.py", "functions", "shared", "local")
KNOWN = {"tests": {"azure-functions-durable"}}
"""It installs its own tests as top-level `tests`; ours is a regular package and comes first on the path."""
OURS = {"benchmarks", "docs", "function_app", "functions", "infra", "local", "shared", "tests"}


@cache
def tracked() -> list[Path]:
    """The files of the repository as git knows them, new ones included."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def python_files(*tops: str) -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in tops]


def imports(path: Path) -> Iterator[str]:
    """Every absolute import of a file, also inside functions."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# --- names ----------------------------------------------------------------------------------------------------


def test_no_installed_distribution_owns_a_top_level_name_of_ours():
    taken = {name: set(owners) - KNOWN.get(name, set()) for name, owners in packages_distributions().items()}

    assert {name: owners for name, owners in taken.items() if name in OURS and owners} == {}
    assert (ROOT / "tests" / "__init__.py").exists()


def test_our_tests_are_the_ones_that_are_imported():
    found = subprocess.run(
        [sys.executable, "-c", "import tests; print(tests.__file__)"], cwd=ROOT, capture_output=True, text=True
    )

    assert Path(found.stdout.strip()) == ROOT / "tests" / "__init__.py"


# --- imports --------------------------------------------------------------------------------------------------

HEAVY = (
    "aiosqlite", "google", "httpx", "langchain", "langchain_core", "langchain_google_genai", "langchain_openai",
    "langgraph", "langsmith", "lxml", "openai", "opentelemetry.exporter", "opentelemetry.sdk", "playwright", "portkey_ai",
    "redis", "slack_sdk", "telegram", "tiktoken",
)  # fmt: skip


def test_importing_the_function_app_loads_no_agent_library_and_no_sdk():
    script = "import json, sys, function_app; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)

    assert [name for name in loaded if any(f"{name}.".startswith(f"{heavy}.") for heavy in HEAVY)] == []
    plug_ins = ("channels", "integrations", "tools", "models", "storage", "queues", "secrets", "files", "exporters")
    assert [name for name in loaded if name.startswith(tuple(f"shared.{group}." for group in plug_ins))] == []


def test_only_the_stages_and_the_local_host_know_azure_functions():
    knowing = {
        path.relative_to(ROOT).parts[0]
        for path in python_files(*CODE)
        if any(name.startswith(("azure.functions", "azure.durable_functions")) for name in imports(path))
    }

    assert knowing <= {"function_app.py", "functions", "local"}


NAMESPACES = {"azure", "google"}
BY_MODULE = {
    "azure.durable_functions": "azure-functions-durable",
    "azure.functions": "azure-functions",
    "google.protobuf": "protobuf",
    "grpc_tools": "grpcio-tools",
}
"""What the installed metadata cannot tell: namespaces that several share, and what only one version of Python has."""


def test_every_third_party_import_is_a_declared_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    owners = packages_distributions()

    def owner(name: str) -> set[str]:
        for module, distribution in BY_MODULE.items():
            if f"{name}.".startswith(f"{module}."):
                return {distribution}
        return {canonicalize_name(each) for each in owners.get(name.partition(".")[0], [name.partition(".")[0]])}

    def undeclared(declared: list[str], *tops: str) -> set[str]:
        known = {canonicalize_name(Requirement(each).name) for each in declared}
        names = {name for path in python_files(*tops) for name in imports(path)}
        foreign = {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names | OURS}
        return {name for name in foreign if name not in NAMESPACES and not owner(name) & known}

    deployed = project["project"]["dependencies"]
    assert undeclared(deployed, "function_app.py", "functions", "shared") == set()
    everything = deployed + project["dependency-groups"]["dev"]
    assert undeclared(everything, "local", "tests") == set()


def test_only_the_composition_root_reads_the_environment():
    reading = [
        str(path.relative_to(ROOT))
        for path in python_files("function_app.py", "functions", "shared")
        if re.search(r"os\.(environ|getenv)", path.read_text())
    ]

    assert reading == ["shared/foundation.py"]


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group, plug_ins in registry.REGISTRY.items() for name in plug_ins]
)
def test_every_line_of_the_registry_leads_to_a_build_function(group: str, name: str):
    build = registry.build_function(group, name)

    assert len(signature(build).parameters) == 1
    assert not iscoroutinefunction(build)


# --- what is deployed -----------------------------------------------------------------------------------------


def seconds(text: str) -> int:
    hours, minutes, rest = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


@pytest.fixture(scope="module")
def host() -> dict[str, Any]:
    return json.loads((ROOT / "host.json").read_text())


def test_host_json_says_what_the_stages_count_on(host: dict[str, Any]):
    bus = host["extensions"]["serviceBus"]

    assert host["version"] == "2.0"
    assert host["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.32.0, 5.0.0)",
    }
    assert host["telemetryMode"] == "OpenTelemetry"
    assert "applicationInsights" not in host.get("logging", {}), "with telemetryMode set it does not apply"
    assert bus["maxConcurrentSessions"] == 32
    assert bus["sessionIdleTimeout"] == "00:00:02", "the default parks a session's slot for a minute"
    assert bus["prefetchCount"] == 0, "a prefetched message's lock runs while it waits"
    assert bus["maxConcurrentCalls"] > 0
    assert seconds(bus["maxAutoLockRenewalDuration"]) >= seconds(host["functionTimeout"])


def test_what_a_function_may_take_fits_into_its_time_out(host: dict[str, Any]):
    from shared.app import INTAKE_PATIENCE

    limit = seconds(host["functionTimeout"])
    longest = {
        name: next(each.le for each in Settings.model_fields[name].metadata if hasattr(each, "le"))
        for name in ("turn_seconds", "drain_seconds")
    }

    assert longest["turn_seconds"] + longest["drain_seconds"] < limit, "a drain may begin its last turn at its very end"
    assert limit > INTAKE_PATIENCE


def denied(path: str) -> bool:
    """As Core Tools reads .funcignore: each pattern is tried at the root and matches as a prefix."""
    lines = [line.strip() for line in (ROOT / ".funcignore").read_text().splitlines()]
    patterns = [line for line in lines if line and not line.startswith("#")]

    def matches(pattern: str) -> bool:
        expression = re.escape(pattern.removeprefix("/")).replace(r"\*\*", ".+").replace(r"\*", "[^/]+")
        return re.match(expression, path) is not None

    kept = any(matches(each[1:]) for each in patterns if each.startswith("!"))
    return not kept and any(matches(each) for each in patterns if not each.startswith("!"))


def test_the_package_holds_the_app_and_nothing_else():
    published = {str(path.relative_to(ROOT)) for path in tracked() if not denied(str(path.relative_to(ROOT)))}
    outside = {path for path in published if not path.startswith(("functions/", "shared/"))}

    assert outside == {"function_app.py", "host.json", "requirements.txt"}
    assert not any(denied(str(path.relative_to(ROOT))) for path in tracked() if path.parent.parts[-1] == "shared")
    assert denied(".venv/bin/python")
    assert denied("local.settings.json")
    assert denied("shared/__pycache__/app.cpython-313.pyc")
    assert not denied(".python_packages/lib/site-packages/aiohttp/__init__.py")


def test_generated_files_are_up_to_date():
    done = subprocess.run([sys.executable, "-m", "local.generate", "--check"], cwd=ROOT, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_settings_sample_names_every_setting_and_no_secret():
    values = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]

    assert values["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert {field.alias for field in Settings.model_fields.values()} <= values.keys()
    assert {"OPENAI_API_KEY", "GOOGLE_API_KEY", "PORTKEY_API_KEY", "TELEGRAM_BOT_TOKEN"} <= values.keys()
    secret = re.compile(r"(API_KEY|TOKEN|SECRET|CODE)$")
    assert {name: value for name, value in values.items() if secret.search(name) and value} == {}


def test_the_pinned_versions_are_the_installed_ones():
    """What the tests ran on is what is deployed."""
    installed = {canonicalize_name(each.name): each.version for each in distributions()}
    pins = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    for pin in (Requirement(each) for each in pins if each):
        if pin.marker is None or pin.marker.evaluate():
            assert pin.specifier.contains(installed.get(canonicalize_name(pin.name), "none")), str(pin)


# --- what is written ------------------------------------------------------------------------------------------

ADRIFT = re.compile(
    r"/(?:work|root|home)/\w|/tmp/bash|(?:[\w-]+\.)?(?:pythonhosted|pypi)\.org|registry\.npmjs|TO" + r"DO|FIX" + r"ME"
)
"""Paths of somebody's machine, hosts of package registries, and notes to oneself."""


def test_no_file_names_a_machine_or_a_registry_or_leaves_work_undone():
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {each[0]}" for each in ADRIFT.finditer(text) if path != Path(__file__)]

    assert found == []


def test_every_module_starts_by_saying_what_it_is():
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files(*CODE, "tests", "benchmarks")
        if path.read_bytes() and not ast.get_docstring(ast.parse(path.read_bytes()))
    ]

    assert silent == []


def test_every_relative_link_of_the_papers_leads_somewhere():
    link = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in tracked()
        if path.suffix == ".md" and "tests" not in path.parts
        for target in link.findall(path.read_text())
        if not (path.parent / target).exists()
    ]

    assert broken == []
