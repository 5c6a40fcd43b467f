"""What the Redis broker is set to, beside its address in PRAXOS_QUEUE."""

from __future__ import annotations

from pydantic import Field

from shared.settings import EnvironmentSettings


class RedisSettings(EnvironmentSettings):
    """Names and times."""

    prefix: str = Field(
        "praxos",
        alias="PRAXOS_REDIS_PREFIX",
        pattern="^[A-Za-z0-9_.-]{1,64}$",
        description="What every key begins with, before the tenant: another one for each deployment on a server.",
    )
    cluster: bool = Field(
        False,
        alias="PRAXOS_REDIS_CLUSTER",
        description="Whether the address is a node of a Redis Cluster that has its keys on several nodes.",
    )
    timeout_seconds: float = Field(
        5,
        alias="PRAXOS_REDIS_TIMEOUT_SECONDS",
        gt=0,
        le=60,
        description="How long connecting, an answer, and waiting for a free connection may each take.",
    )
    holder_seconds: float = Field(
        3,
        alias="PRAXOS_REDIS_HOLDER_SECONDS",
        ge=1,
        le=60,
        description="How long after the last word of a process its messages and sessions are given to others.",
    )
