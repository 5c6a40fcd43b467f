"""The worker that Azure runs accepts the app as it is; what it reports is kept in functions.json.

To accept a change of the app's functions: `python -m tests.functions.test_worker SPECS > tests/functions/functions.json`
with Python 3.13.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = Path(__file__).with_name("functions.json")
SETTINGS = {
    "PRAXOS_MODEL": "demo",
    "TELEGRAM_BOT_TOKEN": "123456789:a-token-of-nobody",
    "TELEGRAM_WEBHOOK_SECRET": "a-secret-of-this-test",
    "TELEGRAM_BOT_USERNAME": "praxos_bot",
    "TELEGRAM_API_BASE": "http://127.0.0.1:9",
}

on_azures_python = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="Azure's worker library needs Python 3.13 or newer"
)


def run(specs: Path, home: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.functions.worker_report", str(specs)],
        cwd=ROOT,
        env={**os.environ, **SETTINGS, "PRAXOS_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def report(specs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(specs, tmp_path_factory.mktemp("home"))


@on_azures_python
def test_it_reports_these_functions(report: dict[str, Any]):
    functions = report["functions"]

    assert {name: each["bindings"] for name, each in functions.items()} == json.loads(SNAPSHOT.read_text())
    assert {each["script"] for each in functions.values()} == {"function_app.py"}
    assert not any(each["retries"] for each in functions.values()), "nothing is retried by failing"


@on_azures_python
def test_it_invokes_an_http_function(report: dict[str, Any]):
    assert report["live"]["status"] == 200
    assert json.loads(report["ready"]["body"]) == {"status": "ready", "problems": []}


@on_azures_python
def test_it_invokes_the_webhook_which_refuses_a_forged_update(report: dict[str, Any]):
    assert report["forged"]["status"] == 401
    assert report["genuine"]["status"] == 200


@on_azures_python
def test_it_invokes_a_function_with_sessions(report: dict[str, Any]):
    assert report["session"] == "main:telegram:123456789:5"


@on_azures_python
def test_it_invokes_a_function_without_sessions(report: dict[str, Any]):
    (bell,) = report["outbound"]
    assert json.loads(bell)["conversation"] == "main:telegram:123456789:5"


@on_azures_python
def test_it_runs_an_orchestrator_whose_first_action_is_to_look(report: dict[str, Any]):
    said = report["orchestration"]
    assert not said["isDone"]
    ((action,),) = said["actions"]
    assert action["functionName"] == "run_step"


@on_azures_python
def test_it_invokes_an_activity_which_refuses_a_run_that_is_not_there(report: dict[str, Any]):
    assert report["activity"]["do"] == "end"


@on_azures_python
def test_what_a_function_raises_reaches_the_host(report: dict[str, Any]):
    assert "ValidationError" in report["raised"]


def test_the_decorators_say_the_same_on_every_python():
    """Azure's library has two generations, one for each Python that we run on; both describe the app alike."""
    script = (
        "import json, function_app\n"
        "print(json.dumps({f.get_function_name(): f.get_raw_bindings() for f in function_app.app.get_functions()}))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    described = {
        name: [json.loads(binding) for binding in bindings] for name, bindings in json.loads(done.stdout).items()
    }

    assert described == json.loads(SNAPSHOT.read_text())


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        indexed = run(Path(sys.argv[1]), Path(folder))["functions"]
    blocks = [
        f"  {json.dumps(name)}: [\n" + ",\n".join(f"    {json.dumps(each)}" for each in function["bindings"]) + "\n  ]"
        for name, function in indexed.items()
    ]
    print("{\n" + ",\n".join(blocks) + "\n}")
