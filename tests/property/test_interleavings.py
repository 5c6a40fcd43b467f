"""A thousand interleavings of people, crashes, time and trouble, each against everything that is promised.

`INTERLEAVINGS=20000 make test ARGS="tests/property"` looks further. What it finds is printed as the shortest list of rules that
still fails, with the trace of what every process did; `@reproduce_failure` with the printed blob repeats it.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.machine import Interleavings

EXAMPLES = int(os.environ.get("INTERLEAVINGS", "1000"))
RULES = 14 if EXAMPLES <= 1000 else 30


@pytest.mark.timeout(max(300, EXAMPLES))
def test_whatever_happens_in_whatever_order_everything_is_as_promised() -> None:
    found = settings(
        max_examples=EXAMPLES,
        stateful_step_count=RULES,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Interleavings, settings=found)
