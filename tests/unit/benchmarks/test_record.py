"""The chart of the benchmarks."""

from __future__ import annotations

import re

import pytest

from benchmarks.record import LEFT, RIGHT, WIDTH, chart
from benchmarks.report import Figure, Target, at_least, at_most


@pytest.mark.parametrize(
    ("ours", "target", "where"),
    [
        pytest.param(0.0, at_most(1.0), WIDTH - RIGHT, id="nothing of what should be little"),
        pytest.param(0.0, at_least(0.4), LEFT, id="nothing of what should be much"),
        pytest.param(1.0, at_most(1.0), LEFT + (WIDTH - LEFT - RIGHT) / 4, id="just met"),
        pytest.param(1e9, at_least(1.0), WIDTH - RIGHT, id="far better"),
    ],
)
def test_a_figure_lies_where_its_ratio_says(ours: float, target: Target, where: float) -> None:
    figure = Figure(name="secrets read", unit="", ours=(ours,), peer=(1.0,), peer_name="allowed", target=target)
    drawn = re.findall(r'<circle cx="([0-9.]+)"', chart([figure]))
    assert [float(x) for x in drawn] == [pytest.approx(where, abs=0.1)] * 2
