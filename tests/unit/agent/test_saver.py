"""The saver in memory: the latest checkpoint alone, and a flush that misses nothing the graph has handed out."""

import asyncio

import pytest
from langchain_core.messages import AIMessage

from shared.agent import saver as savers
from shared.agent.saver import SegmentSaver
from shared.agent.turn import Permission
from shared.ports import Effect, ToolResult
from tests.fakes.chat_models import calls, scripted
from tests.unit.agent.kit import FakeControl, FakeTool
from tests.unit.agent.runs import FakeRun, results


def at(checkpoint=""):
    return {
        "configurable": {"thread_id": "t", "checkpoint_ns": "", **({"checkpoint_id": checkpoint} if checkpoint else {})}
    }


def checkpoint(id, value):
    return {
        "v": 4, "ts": "", "id": id, "channel_values": {"messages": value}, "channel_versions": {"messages": 1},
        "versions_seen": {}, "updated_channels": None,
    }  # fmt: skip


async def test_holds_the_latest_as_the_very_objects_and_nothing_else():
    saver, value = SegmentSaver(), [object()]
    await saver.aput(at(), checkpoint("1", []), {}, {})
    await saver.aput_writes(at("1"), [("messages", "old")], "task")
    await saver.aput(at(), checkpoint("2", value), {}, {})
    await saver.aput_writes(at("1"), [("messages", "late")], "task")

    found = await saver.aget_tuple(at())

    assert found.checkpoint["channel_values"]["messages"] is value
    assert found.pending_writes == []
    assert len(saver.threads) == 1


async def test_what_the_graph_does_to_its_checkpoint_does_not_reach_what_is_held():
    saver = SegmentSaver()
    await saver.aput(at(), checkpoint("1", []), {}, {})
    taken = (await saver.aget_tuple(at())).checkpoint
    taken["channel_versions"]["messages"] = 99
    taken["versions_seen"]["x"] = {}

    held = (await saver.aget_tuple(at())).checkpoint

    assert (held["channel_versions"], held["versions_seen"]) == ({"messages": 1}, {})


async def test_writes_are_held_at_the_call_itself_and_errors_never():
    saver = SegmentSaver()
    await saver.aput(at(), checkpoint("1", []), {}, {})
    pending = [
        saver.aput_writes(at("1"), [("messages", "first")], "task"),
        saver.aput_writes(at("1"), [("messages", "again")], "task"),
        saver.aput_writes(at("1"), [("__error__", ValueError())], "other"),
    ]

    assert (await saver.aget_tuple(at())).pending_writes == [("task", "messages", "first")]
    await asyncio.gather(*pending)


async def test_a_flush_has_what_the_calls_beside_it_returned_just_now():
    """The read ends in the very round of the loop in which the write asks for its flush."""
    ended = asyncio.Event()

    async def reads(arguments, context):
        ended.set()
        return ToolResult("seen")

    class Control(FakeControl):
        async def progress(self, text):
            if text == "Writing":
                await ended.wait()

    model = scripted(calls(("look", {"text": "q"}), ("say", {"text": "a"})), AIMessage("done"))
    run = FakeRun([model], [FakeTool(name="look", does=reads), FakeTool(effect=Effect.WRITE, progress="Writing")])
    flushed = []

    async def look(point):
        if point == "started":
            found = await run.checkpoints.saver.aget_tuple(
                {"configurable": {"thread_id": run.ledger.pointer.thread, "checkpoint_ns": ""}}
            )
            flushed.extend(channel for _, channel, _ in found.pending_writes)

    run.ledger.before = look
    await run.work(Control())

    assert "messages" in flushed


@pytest.mark.parametrize("rounds", range(6))
async def test_what_was_read_before_a_write_is_not_read_again_after_a_crash(rounds):
    tool = FakeTool(name="look")
    model = scripted(calls(("look", {"text": "q"}), ("say", {"text": "a"})), AIMessage("done"))
    run = FakeRun([model], [tool, FakeTool(effect=Effect.WRITE)])
    control = FakeControl(permit=lambda name, _: Permission.ASK if name == "say" else Permission.ALLOW)
    outcome = await run.work(control)
    for _ in range(rounds):
        outcome = await run.work(control)
    reads = len(tool.called)
    run.answer(outcome.asked[0], "approve")

    assert (await run.work(control)).answer.text == "done"
    assert len(tool.called) == reads == 1
    assert len(results(model.seen[1])) == 2


def test_our_words_for_the_librarys_channels_are_the_librarys():
    from langgraph._internal import _constants as constants

    assert {constants.ERROR, constants.ERROR_SOURCE_NODE, constants.INTERRUPT, constants.RESUME} == savers.CONTROL
