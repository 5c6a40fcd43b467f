"""Random schedules on real processes: what `tests/property` does in one, with SIGKILL and SIGSTOP, a store and queues on the disk.

Every scale group has a process of its own. Which steps it dies at, who is frozen when and for how long, comes from the
seed that the run prints.
"""

from __future__ import annotations

import asyncio
import random
import signal

import pytest

from shared.steps import Step
from tests.crash.points import Moment, Plan
from tests.crash.report import Report
from tests.crash.stage import LEASE_SECONDS, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCHEDULES = 20
DEATHS = 3
"""At how many steps every process dies, if it reaches them."""
FREEZES = 3
ROUNDS = 1


def _deaths(chance: random.Random) -> list[Plan]:
    moments = (Moment.BEFORE, Moment.AFTER)
    return [
        Plan(chance.choice(list(Step)), chance.choice(moments), occurrence=chance.randint(1, 3)) for _ in range(DEATHS)
    ]


@pytest.mark.parametrize("n", range(1, SCHEDULES + 1))
async def test_a_random_schedule_ends_as_promised(n: int, stage: Stage, report: Report, seed: int) -> None:
    chance = random.Random(f"{seed} schedule {n}")
    deaths = _deaths(chance)
    row = report.aim(f"schedule {n}", "", n)
    await stage.start_split(*deaths)
    for _ in range(ROUNDS):
        await stage.people.round()
        for _ in range(FREEZES):
            await asyncio.sleep(chance.uniform(0.05, 1.0))  # the moment itself is what is random
            frozen = chance.choice([host for host in stage.hosts if host.alive])
            frozen.signal(signal.SIGSTOP)
            await asyncio.sleep(chance.uniform(0.2, 1.5) * LEASE_SECONDS)  # and so is for how long
            frozen.signal(signal.SIGCONT)
    row.reached = True
    await stage.settle(seconds=90)
    complaints = await stage.complaints()
    died = sum(stage.carried_out(plan) for plan in deaths)
    row.result = complaints[0] if complaints else f"as promised: {died} of {DEATHS} deaths, {ROUNDS * FREEZES} freezes"
    assert complaints == [], f"seed {seed}, deaths at {[str(plan) for plan in deaths]}"
