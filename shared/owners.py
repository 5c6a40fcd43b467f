"""Who holds a lock or a lease: a name for this process, and whether a named process of this machine is gone."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path


def _started(pid: int) -> str | None:
    """The start time of a process in clock ticks since boot (Linux), "?" where only its existence can be known."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except OSError:
        pass
    else:
        # The command may hold spaces and brackets: fields count from behind its last bracket.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return "?"
    return "?"


@cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        boot = ""
    return f"{socket.gethostname()}-{boot}".replace("/", "_")


def this_process() -> str:
    """A name for this process that no other process has, also after the machine reused its number."""
    return _name(os.getpid())


@cache
def _name(pid: int) -> str:
    return f"{_machine()}/{pid}/{_started(pid)}"


def gone(owner: str) -> bool:
    """True only when `owner` names a process of this machine that certainly no longer runs. A frozen one still does."""
    machine, _, rest = owner.partition("/")
    pid, _, started = rest.partition("/")
    if machine != _machine() or not pid.isdigit():
        return False
    now = _started(int(pid))
    return now is None or ("?" not in (now, started) and now != started)
