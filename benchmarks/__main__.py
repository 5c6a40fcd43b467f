"""`python -m benchmarks [NAME …]`: measures, and prints one table. Without names: everything."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module

from benchmarks.report import Row, machine, table

NAMES = ("cold_start", "acks", "throughput", "alone", "growth", "background")
Measure = Callable[[], Awaitable[list[Row]]]


async def _run(names: list[str]) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        measure: Measure = import_module(f"benchmarks.{name}").measure
        measured = await measure()
        for row in measured:
            print("  " + "  ".join(cell for cell in row.cells() if cell), file=sys.stderr, flush=True)
        rows += measured
    return rows


def main() -> int:
    """Print the table; return 1 when a target is not met, 2 for a name that is none."""
    names = sys.argv[1:] or list(NAMES)
    if unknown := [name for name in names if name not in NAMES]:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    rows = asyncio.run(_run(names))
    print(f"{machine()}\n\n{table(rows)}")
    return 1 if any(row.verdict == "NOT MET" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
