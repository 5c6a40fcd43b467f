"""What the fake Bot API can be told to do wrong, in process or by `POST /control`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

FaultKind = Literal[
    "slow_down",  # 429 with `retry_after`
    "error",  # `status`, by default 502, with a body that is no JSON
    "refuse",  # `status`, by default 403, with `description`, and `migrate_to` where given
    "hang",  # takes nothing and does not answer until released, then drops the connection
    "hold",  # takes it and holds the answer until released
    "drop_before",  # drops the connection and takes nothing
    "drop_after",  # takes it and drops the connection
    "garbage",  # takes it and answers 200 with something else than JSON
    "delay",  # takes it after `seconds`
]
TAKES_NOTHING = {"slow_down", "error", "refuse", "hang", "drop_before"}


class Fault(BaseModel):
    """What goes wrong with the calls that match: by method, by chat, `times` often (None: until cleared)."""

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    method: str = ""
    chat: int | None = None
    times: int | None = None
    retry_after: int | None = 1
    status: int | None = None
    description: str = "Forbidden: bot was blocked by the user"
    migrate_to: int | None = None
    seconds: float = 0


class GivenFile(BaseModel):
    """A file that `getFile` knows: its content in Base64."""

    id: str
    path: str
    content: str


class Control(BaseModel):
    """The body of `POST /control`: what is given is done, in this order."""

    model_config = ConfigDict(extra="forbid")

    reset: bool = False
    """Forget calls, violations and faults."""
    clear: bool = False
    """Forget the faults."""
    release: bool = False
    """Let go of every call that hangs or is held."""
    check: bool | None = None
    latency: float | None = None
    fault: Fault | None = None
    file: GivenFile | None = None
