"""Owners: a process is gone only when that is certain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from shared import owners


def test_this_process_is_here() -> None:
    assert not owners.gone(owners.this_process())


def test_a_process_that_ended_is_gone_and_a_frozen_one_is_not() -> None:
    code = "from shared import owners; print(owners.this_process(), flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    try:
        assert not owners.gone(name)
        os.kill(child.pid, signal.SIGSTOP)
        assert not owners.gone(name)
    finally:
        child.kill()
        child.communicate()
    assert owners.gone(name)


def test_another_process_with_the_same_number_is_not_it() -> None:
    machine, pid, started = owners.this_process().rsplit("/", 2)
    assert owners.gone(f"{machine}/{pid}/{int(started) - 1}")


def test_nothing_is_known_of_other_machines_or_of_other_names() -> None:
    assert not owners.gone("elsewhere-1234/1/1")
    assert not owners.gone("")
    assert not owners.gone("nonsense")
