"""`python -m local.generate` writes the generated files; with `--check` it says which of them are out of date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from local.generate import requirements, settings, states

ROOT = Path(__file__).resolve().parents[2]


def generated(root: Path) -> dict[Path, str]:
    """What each generated file should hold."""
    return {
        settings.SAMPLE: settings.sample(root),
        settings.TABLE: settings.table(root),
        states.PAGE: states.page((root / states.PAGE).read_text()),
    }


def stale(root: Path) -> list[str]:
    """One line for each file that is not what the code says it should be."""
    found = [
        f"{path} is out of date: run `make generate`"
        for path, text in generated(root).items()
        if not (root / path).exists() or (root / path).read_text() != text
    ]
    return found + [f"{each}: run `make requirements`" for each in requirements.problems(root)]


def main() -> int:
    """Write, or check and return 1 when something is out of date."""
    parser = argparse.ArgumentParser(prog="python -m local.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of date")
    if not parser.parse_args().check:
        for path, text in generated(ROOT).items():
            (ROOT / path).write_text(text)
        return 0
    lines = stale(ROOT)
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
