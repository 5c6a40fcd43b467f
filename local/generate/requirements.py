"""Are the pinned requirements those that pyproject.toml asks for? Checked without the network."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_DIRECT = re.compile(r"praxos \(pyproject\.toml(?::\w+)?\)")


def problems(root: Path) -> Iterator[str]:
    """One line for each thing that `make requirements` would mend."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    declared = {
        "requirements.txt": project["project"]["dependencies"],
        "requirements-dev.txt": project["dependency-groups"]["dev"],
        "requirements-bench.txt": project["dependency-groups"]["bench"],
    }
    for name, wanted in declared.items():
        yield from _file_problems(root / name, [Requirement(each) for each in wanted])
    yield from _disagreements(root)


def _pins(path: Path) -> Iterator[tuple[Requirement, bool]]:
    """Each line's requirement, and whether it is one that we asked for ourselves."""
    for line in path.read_text().splitlines():
        requirement, _, comment = line.partition("#")
        if requirement.strip():
            yield Requirement(requirement.strip()), bool(_DIRECT.search(comment))


def _file_problems(path: Path, wanted: list[Requirement]) -> Iterator[str]:
    asked: dict[str, Requirement] = {canonicalize_name(each.name): each for each in wanted}
    direct: set[str] = set()
    for pin, ours in _pins(path):
        name: str = canonicalize_name(pin.name)
        version = _version(pin)
        if version is None:
            yield f"{path.name}: {pin.name} is not pinned to one version"
        elif name in asked and not asked[name].specifier.contains(version):
            yield f"{path.name}: {pin.name} {version} is outside of {asked[name].specifier} in pyproject.toml"
        if ours:
            direct.add(name)
    for name in sorted(asked.keys() - direct):
        yield f"{path.name}: {name} of pyproject.toml is missing"
    for name in sorted(direct - asked.keys()):
        yield f"{path.name}: {name} is no longer in pyproject.toml"


def _version(pin: Requirement) -> str | None:
    pins = [each.version for each in pin.specifier if each.operator == "=="]
    return pins[0] if len(pins) == len(pin.specifier) == 1 and "*" not in pins[0] else None


def _disagreements(root: Path) -> Iterator[str]:
    """The tests run on the very versions that are deployed."""
    deployed: dict[str, set[str | None]] = {}
    for pin, _ in _pins(root / "requirements.txt"):
        deployed.setdefault(canonicalize_name(pin.name), set()).add(_version(pin))
    for pin, _ in _pins(root / "requirements-dev.txt"):
        versions = deployed.get(canonicalize_name(pin.name))
        if versions is not None and _version(pin) not in versions:
            yield f"requirements-dev.txt: {pin.name} differs from requirements.txt"
