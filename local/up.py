"""`python -m local up`: the whole assistant in one process, or one of its roles."""

from __future__ import annotations

import argparse
import asyncio
import errno
import gc
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from shared import ids
from shared.messages import PraxosError, SettingError
from shared.settings import Settings
from shared.telemetry import configure_logs, logger

if TYPE_CHECKING:
    from local.host import Host
    from shared.app import App

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = "127.0.0.1"
BACKLOG = 1024
GARBAGE_THRESHOLD = 20_000
"""Allocations between collections of the youngest objects: the default of 700 doubles the 95th percentile."""
HTTP_ROLES = (None, "http")
THINKING_ROLES = (None, "turns", "background", "durable")
WARM_SECONDS = 1.0
"""How long after the start the assistant's libraries are loaded, unless a turn needs them earlier."""

_log = logger("local.up")


def main(arguments: argparse.Namespace) -> int:
    """Run until a signal; return the process's exit code."""
    try:
        settings = Settings.from_environ(os.environ)
        # Callers may connect from now on: they wait while the functions are loaded.
        listening = listen(settings.port) if arguments.role in HTTP_ROLES else None
        configure_logs(level=settings.log_level)
        asyncio.run(_serve(arguments.role, listening))
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def listen(port: int) -> socket.socket:
    """A listening socket on the loopback interface. Raises SettingError where the port is not to be had."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((ADDRESS, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        why = "is in use by another program" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise SettingError(
            f"PRAXOS_PORT: {ADDRESS}:{port} {why}; set PRAXOS_PORT to another one, 0 takes a free one"
        ) from None
    return listening


async def _serve(role: str | None, listening: socket.socket | None) -> None:
    from shared import app as composition

    stopped = _stop_signal()
    app = composition.current()
    try:
        host = _host(app, role)
        try:
            if listening:
                await host.serve(listening)
            # Whoever called while the host was loading has an answer by now; the store says what the queues' file said.
            app.store  # noqa: B018  opened on first use
            await host.start()
            print(_ready(role, listening), flush=True)
            settling = asyncio.create_task(_settle(app, role))
            await stopped.wait()
            settling.cancel()
        finally:
            await host.stop()
    finally:
        await app.close()


def _host(app: App, role: str | None) -> Host:
    from local import host_json, indexing, roles
    from local.host import Host

    # Opening the file says at once when the folder cannot be used, or is of a newer version.
    broker = app.broker
    if not hasattr(broker, "receive"):
        raise SettingError(
            f"PRAXOS_QUEUE={app.settings.queue} only sends, and this host has to receive: use sqlite, or `func start`"
        )
    sys.path.insert(0, str(ROOT))
    import function_app

    app_settings = {name: str(value) for name, value in app.settings.model_dump(mode="json", by_alias=True).items()}
    app_settings |= {name: value for name, value in app.environ.items() if value}
    functions = indexing.index(function_app.app.get_functions(), app_settings=app_settings)
    return Host(
        functions=roles.select(functions, role),
        broker=broker,
        settings=app.settings,
        host_json=host_json.read(ROOT / "host.json"),
        clock=app.clock,
        host_key=_host_key(app),
    )


def _host_key(app: App) -> Callable[[], Awaitable[str]]:
    """The key that functions without anonymous access want: made on first use, kept in the secret store."""

    async def key() -> str:
        name = ids.secret("host", "functions-key")
        return await app.secrets.get(name=name) or await app.secrets.create(name=name, value=secrets.token_urlsafe(32))

    return key


def _stop_signal() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; a second one ends the process at once."""
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()

    def stop(number: int) -> None:
        stopped.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return stopped


def _ready(role: str | None, listening: socket.socket | None) -> str:
    if listening is None:
        return f"ready: {role}"
    return f"http://{ADDRESS}:{listening.getsockname()[1]}/api/chat"


async def _settle(app: App, role: str | None) -> None:
    """Load what the first turn needs, and keep the collector of garbage away from everything that was loaded."""
    _freeze()
    await _ring_for_what_was_left(app)
    if role in HTTP_ROLES:
        await _tell_claim_code(app)
    if role not in THINKING_ROLES:
        return
    await asyncio.sleep(WARM_SECONDS)
    try:
        await (await app.assistant()).warm()
    except Exception as error:  # noqa: BLE001  the first turn meets it again, and says so to the person
        _log.warning("the assistant could not be loaded: %s", error)
    _freeze()


async def _ring_for_what_was_left(app: App) -> None:
    """Go on at once with what a process that was killed had written but not rung for."""
    try:
        await app.sweeper.after_restart()
    except PraxosError as error:
        _log.warning("what was left by an earlier process waits for the sweeper: %s", error)


async def _tell_claim_code(app: App) -> None:
    """As long as nobody is the owner, say how to become it."""
    try:
        if not await app.linking.claimed():
            print(
                f"Nobody owns this assistant yet. To become its owner, say this to it: /claim {await app.linking.claim_code()}",
                flush=True,
            )
    except PraxosError as error:
        _log.warning("the claim code could not be told: %s", error)


def _freeze() -> None:
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 100)
    gc.enable()
