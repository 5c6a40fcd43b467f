"""The test of the test: bugs that were planted on purpose are found, each within a few of the machine's ordinary budgets."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.bugs import BUGS, Plant
from tests.property.machine import Broken, Interleavings
from tests.property.test_interleavings import EXAMPLES, RULES

BUDGETS = 8
"""What is generated depends on which modules are loaded (Hypothesis takes constants from them), so one is luck."""


@pytest.mark.timeout(BUDGETS * 100)
@pytest.mark.parametrize("plant", [pytest.param(plant, id=name.replace(" ", "-")) for name, plant in BUGS.items()])
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    budget = settings(
        max_examples=BUDGETS * EXAMPLES,
        stateful_step_count=RULES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(Broken):
        run_state_machine_as_test(Interleavings, settings=budget)
