"""An AMQP 1.0 server that others wrote, Apache ActiveMQ Artemis, with a `$cbs` consumer: Broker.java beside this file.

It decodes what arrives with its own library and says what it stored; it also does what Service Bus does when things go
wrong: takes links down, throttles, refuses tokens.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
JARS = HERE.parents[2] / "build" / "artemis"
START_SECONDS = 30.0
ANSWER_SECONDS = 10.0
BATCH_FORMAT = 0x80013700
"""Service Bus: the AMQP message format of a batch."""


def missing() -> str:
    """Why it cannot be started here; empty where it can."""
    if shutil.which("java") is None:
        return "no Java here for the AMQP server: install a JDK, 17 or newer"
    if not any(JARS.glob("artemis-server-*.jar")):
        return "the AMQP server is not here: `make artemis` fetches it with Maven"
    return ""


@dataclass(frozen=True)
class Arrived:
    """One message as the server decoded it."""

    id: str
    session: str | None
    scheduled: datetime | None
    properties: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Transfer:
    """What arrived in one AMQP transfer."""

    queue: str
    batch: bool
    messages: tuple[Arrived, ...]


class Artemis:
    """The running server."""

    def __init__(self, queues: Sequence[str]) -> None:
        small = ("-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        self._process = subprocess.Popen(
            ["java", *small, "-cp", f"{JARS}/*", str(HERE / "Broker.java"), *queues],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._lines: list[dict[str, Any]] = []
        self._said = threading.Condition()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self.port: int = self._wait(lambda: self._lines, START_SECONDS)[0]["port"]
        except BaseException:
            self.stop()
            raise

    @property
    def connection_string(self) -> str:
        """As for the emulator: no TLS."""
        key = base64.b64encode(b"nobody's").decode()
        return (
            f"Endpoint=sb://127.0.0.1:{self.port};SharedAccessKeyName=tests;SharedAccessKey={key};"
            "UseDevelopmentEmulator=true;"
        )

    def transfers(self, queue: str) -> list[Transfer]:
        """All that was stored, in its order."""
        self.do("nothing nothing 0")  # what was stored before this is said before its answer
        return [_transfer(line) for line in self._lines if line.get("queue") == queue]

    def tokens(self, queue: str) -> list[bool]:
        """Which tokens for the queue were taken, and which refused."""
        self.do("nothing nothing 0")
        return [not line["refused"] for line in self._lines if line.get("token", "").endswith(f"/{queue}")]

    def do(self, command: str) -> None:
        """Give a command and wait until it is carried out: see `obey` in Broker.java."""
        done = self._count(command)
        assert self._process.stdin
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        self._wait(lambda: self._count(command) > done, ANSWER_SECONDS)

    def forget(self) -> None:
        """Begin anew, without faults that were not used up."""
        self.do("forget all 0")
        del self._lines[:]

    def stop(self) -> None:
        """End the process that was started."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        assert self._process.stdout
        self._process.stdout.close()

    def _count(self, command: str) -> int:
        return sum(line.get("done") == command for line in self._lines)

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with self._said:
                self._lines.append(json.loads(line))
                self._said.notify_all()
        with self._said:
            self._said.notify_all()

    def _wait(self, look: Callable[[], Any], seconds: float) -> Any:
        end = time.monotonic() + seconds
        with self._said:
            while not (found := look()):
                if self._process.poll() is not None or time.monotonic() >= end:
                    raise RuntimeError(f"the AMQP server gave no answer (exit code {self._process.poll()})")
                self._said.wait(0.5)
        return found


def _transfer(line: dict[str, Any]) -> Transfer:
    form = line["format"] & 0xFFFF_FFFF
    assert form in (0, BATCH_FORMAT)
    return Transfer(line["queue"], form == BATCH_FORMAT, tuple(_arrived(each) for each in line["messages"]))


def _arrived(message: dict[str, Any]) -> Arrived:
    annotations = message["annotations"]
    at = annotations.get("x-opt-scheduled-enqueue-time")
    assert annotations.keys() <= {"x-opt-scheduled-enqueue-time", "x-opt-partition-key"}
    return Arrived(
        id=message["id"],
        session=message["group"],
        scheduled=datetime.fromtimestamp(at["timestamp"] / 1000, UTC) if at else None,
        properties=message["properties"],
        body=base64.b64decode(message["body"]),
    )
