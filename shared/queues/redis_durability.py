"""What a Redis server's persistence means for "what is acknowledged is kept": for `doctor`, and for PRAXOS_SYNC=full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from redis import exceptions

from shared import telemetry
from shared.messages import SettingError
from shared.ports import Remark
from shared.queues.redis_server import RedisServer
from shared.settings import Sync

_ASKED = ("appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy")
OLDEST_VERSION = (6, 2)
"""Redis 6.2 is the first whose XPENDING and ZRANGEBYSCORE do what the scripts need; Valkey says that it is 7.2."""

_log = telemetry.logger("queues")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server says of itself. `settings` is None where it does not tell its settings."""

    version: str
    cluster: bool = False
    replica: bool = False
    settings: Mapping[str, str] | None = None
    trouble: Sequence[str] = field(default_factory=tuple)


class Durability:
    """Reads the server's settings; with PRAXOS_SYNC=full it refuses to work where they break that promise."""

    def __init__(self, *, server: RedisServer, sync: Sync) -> None:
        self._server = server
        self._sync = sync
        self._checked = sync is not Sync.FULL

    async def check(self) -> None:
        """Once, before the first message. Raises SettingError, or QueueUnavailable."""
        if self._checked:
            return
        settings = (await self._facts()).settings
        if settings is None:
            _log.warning(
                "PRAXOS_SYNC=full: this Redis does not tell its settings, so nobody knows whether it keeps that"
            )
        elif not _always(settings):
            raise SettingError(
                "PRAXOS_SYNC=full, but this Redis does not write to its disk before it answers: "
                "set appendonly yes and appendfsync always there, or PRAXOS_SYNC=normal here"
            )
        self._checked = True

    async def remarks(self) -> Sequence[Remark]:
        """What the server's settings mean, a sentence each. Raises QueueUnavailable."""
        return list(explain(await self._facts(), self._sync))

    async def _facts(self) -> Facts:
        info = await self._server.ask("INFO")
        failed = (name for name in ("aof_last_write_status", "rdb_last_bgsave_status") if info.get(name, "ok") != "ok")
        version, replica = str(info["redis_version"]), info.get("role") == "slave"
        return Facts(version, self._server.cluster, replica, await self._settings(), tuple(failed))

    async def _settings(self) -> Mapping[str, str] | None:
        found: dict[str, str] = {}
        try:
            for name in _ASKED:
                found |= await self._server.ask("CONFIG GET", name)
        except exceptions.ResponseError:  # a service that somebody else runs forbids or renames CONFIG
            return None
        return found if {"appendonly", "appendfsync"} <= found.keys() else None


def _always(settings: Mapping[str, str]) -> bool:
    return settings["appendonly"] == "yes" and settings["appendfsync"] == "always"


def explain(facts: Facts, sync: Sync) -> Iterator[Remark]:
    """Plain sentences about a server: what survives what, what may be dropped, what is in its way."""
    yield _version(facts)
    if facts.replica:
        yield Remark("it is a replica, which takes no messages: set PRAXOS_QUEUE to the primary", wrong=True)
    for name in facts.trouble:
        yield Remark(f"it could not write to its disk the last time ({name}): see its log", wrong=True)
    if facts.settings is None:
        text = (
            "it does not tell its settings (CONFIG is forbidden), so it cannot be known what survives its death: "
            "ask its operator for AOF persistence and for maxmemory-policy noeviction"
        )
        yield Remark(f"{text}; PRAXOS_SYNC=full cannot be checked" if sync is Sync.FULL else text)
        return
    yield _persistence(facts.settings, sync)
    yield from _memory(facts.settings)


def _version(facts: Facts) -> Remark:
    numbers = tuple(int(part) for part in facts.version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_VERSION:
        oldest = ".".join(str(part) for part in OLDEST_VERSION)
        return Remark(f"Redis {facts.version} is too old: {oldest} or newer is needed", wrong=True)
    asked = (
        ": what follows is about one node of the cluster, see that the others are set alike" if facts.cluster else ""
    )
    return Remark(f"Redis {facts.version} answers{asked}")


def _persistence(settings: Mapping[str, str], sync: Sync) -> Remark:
    full = sync is Sync.FULL
    if settings["appendonly"] != "yes":
        lost = "since its last snapshot" if settings.get("save") else "in it, for it writes nothing to its disk"
        return Remark(
            f"an acknowledged message survives the death of Praxos, but not of the server: that loses everything {lost}; "
            "set appendonly yes",
            wrong=True,
        )
    match settings["appendfsync"]:
        case "always":
            return Remark("an acknowledged message survives a killed server and a power loss (appendfsync always)")
        case "everysec":
            text = "a killed server loses nothing, a power loss up to about a second (appendfsync everysec)"
        case other:
            text = f"a killed server loses nothing, a power loss up to about half a minute (appendfsync {other})"
    return Remark(f"{text}; PRAXOS_SYNC=full needs appendfsync always" if full else text, wrong=full)


def _memory(settings: Mapping[str, str]) -> Iterator[Remark]:
    policy, most = settings.get("maxmemory-policy", "noeviction"), settings.get("maxmemory", "0")
    if policy == "noeviction":
        return
    if policy.startswith("volatile"):
        yield Remark(f"maxmemory-policy {policy} drops no message, for none has an expiry; noeviction says so plainly")
    elif most == "0":
        yield Remark(f"maxmemory-policy {policy} would drop messages once maxmemory is set: set noeviction", wrong=True)
    else:
        yield Remark(f"maxmemory-policy {policy} may drop messages when memory is full: set noeviction", wrong=True)
