"""`python -m benchmarks [FIGURE …]`: measure some figures, or all of them, and print one table."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from types import MappingProxyType

from benchmarks import acks, alone, background, cold_start, costs, growth, long, record, telemetry, throughput, waiting
from benchmarks.report import Figure, table

FIGURES: MappingProxyType[str, Callable[[int], Awaitable[list[Figure]]]] = MappingProxyType(
    {
        "throughput": throughput.one_process,
        "split": throughput.two_processes,
        "alone": alone.measure,
        "tools": throughput.with_tool,
        "cold-start": cold_start.measure,
        "cold-start-azure": cold_start.with_azure,
        "acks": acks.measure,
        "growth": growth.turn_cost,
        "memory": growth.memory,
        "background": background.measure,
        "writes": throughput.with_write,
        "long": long.measure,
        "waiting": waiting.measure,
        "telemetry": telemetry.measure,
        "costs": costs.measure,
    }
)


def main() -> int:
    """Run; the exit code says whether every target was met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Praxos next to its peers.")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"of {', '.join(FIGURES)}; all without one")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is measured, in turns (5)")
    parser.add_argument("--record", action="store_true", help="write the figures into docs/benchmarks.md")
    arguments = parser.parse_args()
    if unknown := set(arguments.figures) - set(FIGURES):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    found = asyncio.run(_measure(arguments.figures or list(FIGURES), arguments.rounds))
    print(f"\n{table(found)}")
    if arguments.record:
        record.write(found)
    return int(any(figure.verdict == "SHORT" for figure in found))


async def _measure(names: Sequence[str], rounds: int) -> list[Figure]:
    found: list[Figure] = []
    for name in names:
        print(f"measuring {name} …", flush=True)
        figures = await FIGURES[name](rounds)
        for figure in figures:
            print("  " + "  ".join(figure.cells()), flush=True)
        found += figures
    return found


if __name__ == "__main__":
    sys.exit(main())
