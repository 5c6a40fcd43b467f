"""Copies a segment's state to the library's saver, where the run can be gone on with after a crash."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from shared.agent import threads
from shared.agent.saver import Held, SegmentSaver
from shared.agent.turn import Pointer
from shared.messages import Permanent, PraxosError, TooLarge
from shared.ports import Checkpoints

LARGEST = 1_000_000
"""Bytes of a checkpoint with its pending writes. Cosmos DB refuses a document of 2 MB."""
ROUNDS = 10
"""Of the loop, in which a call beside this one that has just returned is handed out by the graph."""
TOO_LARGE = "this has grown larger than one run may be; please ask again for the part that is still open"
GONE = "what this was to go on from is not there any more"


class Flushes:
    """One segment's copies. Each has a thread of its own on the disk, so a late writer cannot harm an accepted one."""

    def __init__(
        self, *, held: SegmentSaver, here: str, checkpoints: Checkpoints, name: str, accepted: Pointer | None
    ) -> None:
        """`here` is the thread in memory, `name` what the names on the disk begin with."""
        self._held = held
        self._here = here
        self._checkpoints = checkpoints
        self._name = name
        self._next = threads.next_after(accepted, name=name)
        self._accepted = accepted
        self._superseded = threads.left_by(accepted, name=name)
        self._order = asyncio.Lock()
        self._tidying: asyncio.Task[None] | None = None

    async def load(self, pointer: Pointer) -> CheckpointTuple:
        """What is at the pointer. Raises Permanent where nothing is."""
        saver = await self._checkpoints.open()
        found = await saver.aget_tuple(_config(pointer.thread, pointer.checkpoint))
        if found is None:
            raise Permanent(GONE)
        return found

    async def flush(self) -> Pointer:
        """Copy what is held now. Raises TooLarge."""
        for _ in range(ROUNDS):
            await asyncio.sleep(0)
        held = self._held.threads[self._here]
        saver = await self._checkpoints.open()
        self._check_size(saver, held)
        thread = f"{self._name}.{self._next}"
        self._next += 1
        checkpoint = held.checkpoint
        at = await saver.aput(_config(thread), checkpoint, held.metadata, checkpoint["channel_versions"])
        by_task: defaultdict[tuple[str, str], list[tuple[str, Any]]] = defaultdict(list)
        for task, channel, value, path in list(held.writes.values()):
            by_task[task, path].append((channel, value))
        for (task, path), writes in by_task.items():
            await saver.aput_writes(at, writes, task, path)
        return Pointer(thread=thread, checkpoint=checkpoint["id"])

    async def accept(self, accept: Callable[[Pointer], Awaitable[None]]) -> None:
        """Flush and have the pointer accepted: one at a time, so that the last one accepted is the newest."""
        async with self._order:
            pointer = await self.flush()
            await accept(pointer)
            if self._accepted is not None:
                self._superseded.append(self._accepted.thread)
            self._accepted = pointer
            if self._superseded:
                # Beside the call that leaves now: its lease was looked at a moment ago.
                gone, self._superseded = self._superseded, []
                self._tidying = asyncio.create_task(self._discard(self._tidying, gone))

    async def tidied(self) -> None:
        """Wait until what is superseded is gone."""
        if self._tidying:
            await self._tidying

    async def _discard(self, before: asyncio.Task[None] | None, gone: Sequence[str]) -> None:
        if before:
            await before
        with suppress(PraxosError):
            await self._checkpoints.discard(threads=gone)

    def _check_size(self, saver: BaseCheckpointSaver[Any], held: Held) -> None:
        values = [held.checkpoint["channel_values"], [value for _, _, value, _ in held.writes.values()]]
        if len(saver.serde.dumps_typed(values)[1]) > LARGEST:
            raise TooLarge(TOO_LARGE)


def _config(thread: str, checkpoint: str = "") -> RunnableConfig:
    at = {"thread_id": thread, "checkpoint_ns": ""}
    return {"configurable": {**at, "checkpoint_id": checkpoint} if checkpoint else at}
