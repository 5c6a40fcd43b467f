"""`python -m local doctor`: what is configured, what is missing, and how to fix it."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from shared import registry
from shared.access.tool_policy import ToolPolicy
from shared.app import App
from shared.messages import PraxosError, QueueUnavailable, SettingError
from shared.ports import Examinable
from shared.settings import Access, Settings, Sync

OLDEST_PYTHON = (3, 11)


class Mark(StrEnum):
    """How a finding is shown."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "fix"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked at, what was found, and what to do."""

    mark: Mark
    subject: str
    text: str


def main(_: argparse.Namespace) -> int:
    """Print the report; return 1 when something has to be fixed."""
    findings = asyncio.run(_examine())
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        print(f"{finding.mark:<5} {finding.subject:<{width}}  {finding.text}")
    return 1 if any(finding.mark is Mark.BAD for finding in findings) else 0


async def _examine() -> list[Finding]:
    try:
        settings = Settings.from_environ(os.environ)
    except SettingError as error:
        return [Finding(Mark.BAD, "settings", str(error))]
    findings = [*_machine(settings), *_folder(settings.home)]
    if all(finding.mark is not Mark.BAD for finding in findings):
        app = App(settings=settings)
        try:
            findings += [finding async for finding in _app(app)]
        finally:
            await app.close()
    return findings


def _machine(settings: Settings) -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < OLDEST_PYTHON:
        yield Finding(Mark.BAD, "python", f"{version} is too old: install 3.11 or newer")
    else:
        yield Finding(Mark.GOOD, "python", version)
    with socket.socket() as probe:
        running = probe.connect_ex(("127.0.0.1", settings.port)) == 0
    where = f"127.0.0.1:{settings.port}"
    text = f"something answers at {where}: Praxos itself, or another program" if running else f"{where} is free"
    yield Finding(Mark.NOTE if running else Mark.GOOD, "port", f"{text} (PRAXOS_PORT)")


def _folder(home: Path) -> Iterator[Finding]:
    nearest = next(path for path in (home, *home.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        yield Finding(Mark.BAD, "data", f"{home} cannot be written: change its rights, or set PRAXOS_HOME")
    else:
        state = "is there" if home.exists() else "will be made at the first start"
        yield Finding(Mark.GOOD, "data", f"{home.absolute()} {state} (PRAXOS_HOME)")


async def _app(app: App) -> AsyncIterator[Finding]:
    settings = app.settings
    problems = await app.problems()
    for problem in problems:
        yield Finding(Mark.BAD, "data", problem)
    if not problems:
        async for finding in _durability(app):
            yield finding
    yield await _files(app)
    yield await _secrets(app)
    yield await _queues(app)
    yield _models(app)
    for name in registry.names("channels"):
        yield await _channel(app, name)
    yield _access(settings)
    yield _tools(app)
    try:
        yield await _owner(app)
        if settings.approver:
            yield await _approver(app)
        letters = await app.store.dead_letters(tenant=settings.tenant)
    except PraxosError as error:
        yield Finding(Mark.BAD, "data", str(error))
        return
    count = f"{len(letters.documents)}{' or more' if letters.continuation else ''}"
    mark = Mark.NOTE if letters.documents else Mark.GOOD
    yield Finding(mark, "dead letters", f"{count} open" if letters.documents else "none")


async def _durability(app: App) -> AsyncIterator[Finding]:
    full = app.settings.sync is Sync.FULL
    survives = "a power loss too" if full else "a killed process; PRAXOS_SYNC=full a power loss too"
    if isinstance(app.queue, Examinable):
        yield Finding(Mark.GOOD, "durability", f"what is written to this machine survives {survives}")
        for remark in await app.queue.examine():
            yield Finding(Mark.BAD if remark.wrong else Mark.GOOD, "queue", remark.text)
    else:
        yield Finding(Mark.GOOD, "durability", f"what is acknowledged survives {survives}")


async def _files(app: App) -> Finding:
    """Whether a file can be put and got: in Azure, whether the container and the role are there."""
    try:
        stored = await app.files.put(
            owner="doctor", name="probe.txt", media_type="text/plain", content=b"probe", keep=timedelta(minutes=1)
        )
        found = await app.files.get(id=stored.id)
    except PraxosError as error:
        return Finding(Mark.BAD, "files", str(error))
    if found != b"probe":
        return Finding(Mark.BAD, "files", "what was put is not there afterwards (PRAXOS_FILES)")
    return Finding(Mark.GOOD, "files", f"written and read (PRAXOS_FILES={app.settings.files})")


async def _secrets(app: App) -> Finding:
    """Whether a secret can be written and read: in Azure, whether the vault and the role are there."""
    try:
        await app.secrets.put(name="doctor", value="probe")
        found = await app.secrets.get(name="doctor")
    except PraxosError as error:
        return Finding(Mark.BAD, "secrets", str(error))
    if found != "probe":
        return Finding(Mark.BAD, "secrets", "what was put is not there afterwards (PRAXOS_SECRETS)")
    return Finding(Mark.GOOD, "secrets", f"written and read (PRAXOS_SECRETS={app.settings.secrets})")


async def _queues(app: App) -> Finding:
    from shared.pipeline.queue_views import depths, sentence

    try:
        found = await depths(app.queue, now=app.clock.now())
    except PraxosError as error:
        if isinstance(error, QueueUnavailable) and isinstance(app.queue, Examinable):  # its examination has said why
            return Finding(Mark.NOTE, "queues", "how much waits is not known while the queue is away")
        return Finding(Mark.NOTE, "queues", str(error))
    waiting = [line for line in map(sentence, found.queues) if line]
    return Finding(Mark.NOTE if waiting else Mark.GOOD, "queues", "; ".join(waiting) or "empty")


def _models(app: App) -> Finding:
    try:
        names = list(app.models.names())
    except PraxosError as error:
        return Finding(Mark.BAD, "model", str(error))
    if names == ["demo"]:
        text = "the built-in demo; for a real one set OPENAI_API_KEY, OPENAI_BASE_URL or GOOGLE_API_KEY"
        return Finding(Mark.NOTE, "model", text)
    return Finding(Mark.GOOD, "model", " → ".join(names))


async def _channel(app: App, name: str) -> Finding:
    try:
        built = registry.build_function("channels", name)(app.parts)
        await built.close()
    except SettingError as error:
        return Finding(Mark.NOTE, name, f"off: {error}")
    return Finding(Mark.GOOD, name, "configured")


def _access(settings: Settings) -> Finding:
    match settings.access:
        case Access.OPEN:
            return Finding(
                Mark.NOTE, "access", "open: whoever finds a channel may talk (PRAXOS_ACCESS=linked narrows it)"
            )
        case Access.LINKED:
            return Finding(Mark.GOOD, "access", "linked: the owner, and people who were given a code with /link")
        case Access.ALLOWLIST if not settings.allowed:
            return Finding(Mark.BAD, "access", "allowlist, but PRAXOS_ALLOWED is empty: list CHANNEL:ID of each person")
        case Access.ALLOWLIST:
            return Finding(Mark.GOOD, "access", f"allowlist: {settings.allowed}")


async def _owner(app: App) -> Finding:
    if await app.linking.claimed():
        return Finding(Mark.GOOD, "owner", "this deployment has one")
    code = await app.linking.claim_code()
    return Finding(Mark.NOTE, "owner", f"nobody yet: send /claim {code} to the assistant to become it")


def _tools(app: App) -> Finding:
    try:
        unknown = ToolPolicy(app.settings).unknown(app.tools)
    except PraxosError as error:
        return Finding(Mark.BAD, "tools", str(error))
    if unknown:
        text = f"the rules name {', '.join(unknown)}, which is no tool (PRAXOS_TOOLS_DENY, _ASK, _ALLOW)"
        return Finding(Mark.BAD, "tools", f"{text}; there is {', '.join(app.tools)}")
    return Finding(Mark.GOOD, "tools", ", ".join(app.tools))


async def _approver(app: App) -> Finding:
    approver = await app.people.approver()
    if approver is None or approver.home is None:
        text = "not known yet, or never wrote in private: until then each person approves what they asked for"
        return Finding(Mark.NOTE, "approver", f"{app.settings.approver}: {text} (PRAXOS_APPROVER)")
    return Finding(Mark.GOOD, "approver", f"{approver.name or app.settings.approver} (PRAXOS_APPROVER)")
