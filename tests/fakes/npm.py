"""Test servers that others wrote and published on npm: installed on first use, into the build folder."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def script(package: str, version: str, file: str) -> Path:
    """A file of a package. Skips the test where node and npm, or the package, cannot be had."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip(f"node and npm are not installed: {package} needs them")
    folder = ROOT / "build" / f"{package.replace('/', '-').lstrip('@')}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    found = folder / "node_modules" / package / file
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers of one test run start at once
        if not found.is_file():
            _install(folder, f"{package}@{version}")
    return found


def _install(folder: Path, package: str) -> None:
    # The tests' guard is for Python; nothing of npm's own scripts is run.
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--no-save", "--omit=dev"]
    command = ["npm", "install", *options, "--prefix", str(folder), package]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    if done.returncode:
        pytest.skip(f"npm could not install {package}; by hand: {' '.join(command)}")
