"""Where a segment's state lives while it runs: in memory, the latest checkpoint alone, as objects.

LangGraph saves after every step. Nothing of that is written or serialised here; `Flushes` copies what is held to the
library's own saver at the few moments at which a run must be able to go on from it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    copy_checkpoint,
)
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME
from langgraph.types import Interrupt

ERROR_SOURCE = "__error_source_node__"
CONTROL = frozenset((ERROR, ERROR_SOURCE, INTERRUPT, RESUME))
"""Channels that say how a task fares. A task with a write to any other channel is finished."""


@dataclass(slots=True)
class Held:
    """One thread: its latest checkpoint, and what tasks wrote since."""

    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    writes: dict[tuple[str, int], tuple[str, str, Any, str]] = field(default_factory=dict)
    """By task and place: the task, the channel, the value, the task's path."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that stopped at a question."""

    interrupt: str
    value: Any
    answered: Sequence[Any]
    """What it was answered before."""


class SegmentSaver(BaseCheckpointSaver[int]):
    """The graph's saver. Each segment has a thread of its own here, and drops it when it ends."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: dict[str, Held] = {}

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """What a thread holds; a copy, because the graph works on it in place."""
        held = self.threads.get(config["configurable"]["thread_id"])
        if held is None:
            return None
        return CheckpointTuple(
            config=_at(config, held.checkpoint["id"]),
            checkpoint=copy_checkpoint(held.checkpoint),
            metadata=held.metadata,
            pending_writes=[(task, channel, value) for task, channel, value, _ in held.writes.values()],
        )

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Hold this one from now on: the one before is of no use any more."""
        self.threads[config["configurable"]["thread_id"]] = Held(checkpoint, metadata)
        return _at(config, checkpoint["id"])

    def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> Coroutine[Any, Any, None]:
        """Hold what a task wrote, at the very call: the graph awaits it in the background, and a flush must not miss it."""
        held = self.threads.get(config["configurable"]["thread_id"])
        if held is not None and held.checkpoint["id"] == config["configurable"]["checkpoint_id"]:
            for place, (channel, value) in enumerate(writes):
                key = (task_id, WRITES_IDX_MAP.get(channel, place))
                # A failed attempt is done again, whatever it raised: its error is nothing to keep.
                if channel not in (ERROR, ERROR_SOURCE) and (key[1] < 0 or key not in held.writes):
                    held.writes[key] = (task_id, channel, value, task_path)
        return _nothing()

    async def alist(self, config: RunnableConfig | None, **_: Any) -> AsyncIterator[CheckpointTuple]:
        """The one that is held."""
        if config and (found := await self.aget_tuple(config)):
            yield found

    def seed(self, thread: str, found: CheckpointTuple) -> None:
        """Hold a checkpoint that was loaded, with what tasks had written since."""
        held = self.threads[thread] = Held(found.checkpoint, found.metadata)
        for place, (task, channel, value) in enumerate(found.pending_writes or ()):
            held.writes[task, WRITES_IDX_MAP.get(channel, place)] = (task, channel, value, "")

    def waiting(self, thread: str) -> list[Waiting]:
        """The tasks that stopped at a question and are not finished."""
        held = self.threads[thread]
        finished = {task for task, channel, _, _ in held.writes.values() if channel not in CONTROL}
        asked: dict[str, Interrupt] = {}
        answered: dict[str, Sequence[Any]] = {}
        for task, channel, value, _ in held.writes.values():
            if channel == INTERRUPT and task not in finished:
                asked[task] = value[0] if isinstance(value, Sequence) else value
            elif channel == RESUME:
                answered[task] = value if isinstance(value, list) else [value]
        return [
            Waiting(interrupt=interrupt.id, value=interrupt.value, answered=answered.get(task, ()))
            for task, interrupt in asked.items()
        ]


def _at(config: RunnableConfig, checkpoint: str) -> RunnableConfig:
    return {
        "configurable": {
            "thread_id": config["configurable"]["thread_id"],
            "checkpoint_ns": config["configurable"].get("checkpoint_ns", ""),
            "checkpoint_id": checkpoint,
        }
    }


async def _nothing() -> None:
    pass
