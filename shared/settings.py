"""The settings, read from the environment once. Plain pydantic: pydantic-settings costs a tenth of a second at a cold start."""

# No annotations from the future: pydantic would compile each from its text, at every start.
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from shared.messages import SettingError


class EnvironmentSettings(BaseModel):
    """Settings whose fields are environment variables: the field `port` with `alias="PRAXOS_PORT"` reads that one.

    An empty variable counts as absent. Secrets are SecretStr, so that no log shows them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the fields' variables. Raises SettingError: one line that names the variable and what is wrong."""
        names = [field.alias for field in cls.model_fields.values() if field.alias]
        values: dict[str, Any] = {name: environ[name] for name in names if environ.get(name)}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = str(first["loc"][0]) if first["loc"] else cls.__name__
            missing = first["type"] == "missing"
            raise SettingError(f"{name} is {'missing' if missing else 'wrong'}: {first['msg']}") from None


class Access(StrEnum):
    """Who may talk to the assistant."""

    OPEN = "open"
    LINKED = "linked"
    ALLOWLIST = "allowlist"


class Sync(StrEnum):
    """What a local commit survives: the process's death, or the machine's too."""

    NORMAL = "normal"
    FULL = "full"


class Settings(EnvironmentSettings):
    """What the whole of Praxos is set to. Channels, models and adapters have settings of their own beside their code."""

    tenant: str = Field("main", alias="PRAXOS_TENANT", description="The tenant that this deployment serves.")
    home: Path = Field(Path(".praxos"), alias="PRAXOS_HOME", description="The local host's data folder.")
    port: int = Field(
        7071, alias="PRAXOS_PORT", ge=0, le=65535, description="The local host's port; 0 takes a free one."
    )
    model: str = Field(
        "",
        alias="PRAXOS_MODEL",
        description="Models in order of preference, with commas: demo, openai:NAME, google_genai:NAME.",
    )
    model_prices: str = Field(
        "",
        alias="PRAXOS_MODEL_PRICES",
        pattern=r"^(\s*[^=,]+=[0-9.]+/[0-9.]+\s*(,|$))*$",
        description="What a million tokens cost, in and out, with commas: openai:NAME=1.25/10. For telemetry's cost per user.",
    )
    access: Access = Field(Access.OPEN, alias="PRAXOS_ACCESS", description="Who may talk: open, linked or allowlist.")
    allowed: str = Field(
        "", alias="PRAXOS_ALLOWED", description="For allowlist: CHANNEL:ID of each person, with commas."
    )
    claim_code: SecretStr = Field(
        SecretStr(""),
        alias="PRAXOS_CLAIM_CODE",
        description="The code that makes its first user the owner; empty: one is made and printed.",
    )
    time_zone: str = Field(
        "UTC", alias="PRAXOS_TIME_ZONE", description="The zone of people who have not said theirs, as an IANA name."
    )
    lease_seconds: float = Field(
        30,
        alias="PRAXOS_LEASE_SECONDS",
        gt=0,
        description="How long a conversation's lease lasts; renewed every third of it.",
    )
    turn_seconds: float = Field(
        60,
        alias="PRAXOS_TURN_SECONDS",
        gt=0,
        le=240,
        description="How long a turn works before it goes on as a long run.",
    )
    segment_seconds: float = Field(
        240,
        alias="PRAXOS_SEGMENT_SECONDS",
        gt=0,
        le=300,
        description="How long a run that was handed over works at a time.",
    )
    run_seconds: float = Field(
        14_400, alias="PRAXOS_RUN_SECONDS", gt=0, description="How long one run may work in all, its waiting apart."
    )
    run_model_calls: int = Field(
        500, alias="PRAXOS_RUN_MODEL_CALLS", gt=0, description="How many times one run may ask the model."
    )
    run_tokens: int = Field(
        5_000_000, alias="PRAXOS_RUN_TOKENS", gt=0, description="How many tokens, in and out, one run may take."
    )
    drain_seconds: float = Field(
        120,
        alias="PRAXOS_DRAIN_SECONDS",
        gt=0,
        le=240,
        description="How long one invocation goes on taking entries before it rings for the rest.",
    )
    retry_seconds: float = Field(
        2,
        alias="PRAXOS_RETRY_SECONDS",
        gt=0,
        description="The first back-off after transient trouble; it doubles up to five minutes.",
    )
    give_up_hours: float = Field(
        24, alias="PRAXOS_GIVE_UP_HOURS", gt=0, description="When transient trouble becomes a dead letter."
    )
    question_hours: float = Field(
        24,
        alias="PRAXOS_QUESTION_HOURS",
        gt=0,
        le=2160,
        description="How long a question waits for its answer; half-way the person is reminded.",
    )
    tools_ask: str = Field(
        "",
        alias="PRAXOS_TOOLS_ASK",
        description="Tools whose calls a person must approve, with commas; those that destroy something always do.",
    )
    tools_allow: str = Field(
        "", alias="PRAXOS_TOOLS_ALLOW", description="Tools that need no approval although they destroy something."
    )
    tools_deny: str = Field("", alias="PRAXOS_TOOLS_DENY", description="Tools that are never called, with commas.")
    approver: str = Field(
        "",
        alias="PRAXOS_APPROVER",
        pattern="^(owner|[^:]+:.+)?$",
        description="Who approves tool calls for everybody: owner, or CHANNEL:ID; empty: each person their own.",
    )
    history_messages: int = Field(
        20,
        alias="PRAXOS_HISTORY_MESSAGES",
        gt=0,
        description="How many recent messages a turn sees word for word; older ones as a summary.",
    )
    max_file_bytes: int = Field(
        20_000_000, alias="PRAXOS_MAX_FILE_BYTES", gt=0, description="The largest file that is taken in or sent."
    )
    reminders_every: str = Field(
        "*/5 * * * * *",
        alias="PRAXOS_REMINDERS_EVERY",
        description="When to look for due reminders: NCRONTAB with seconds.",
    )
    sweep_every: str = Field(
        "*/15 * * * * *", alias="PRAXOS_SWEEP_EVERY", description="When to look for lost bells: NCRONTAB with seconds."
    )
    sync: Sync = Field(
        Sync.NORMAL,
        alias="PRAXOS_SYNC",
        description="Local commits: normal survives a killed process, full also a power loss.",
    )
    store: str = Field("sqlite", alias="PRAXOS_STORE", description="The store's adapter.")
    queue: str = Field(
        "sqlite",
        alias="PRAXOS_QUEUE",
        repr=False,  # an address may hold a password
        description="The queues' adapter: sqlite, or a Redis as redis://HOST:PORT/DB, rediss:// or unix://.",
    )
    files: str = Field("local", alias="PRAXOS_FILES", description="The files' adapter.")
    secrets: str = Field("file", alias="PRAXOS_SECRETS", description="The secrets' adapter.")
    log_level: str = Field(
        "INFO",
        alias="PRAXOS_LOG_LEVEL",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="DEBUG, INFO, WARNING or ERROR.",
    )

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        if name != "UTC":
            from zoneinfo import available_timezones

            if name not in available_timezones():
                raise ValueError(f"there is no time zone {name!r}; use an IANA name such as Europe/Berlin")
        return name
