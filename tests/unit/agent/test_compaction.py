"""Long runs: older steps become a summary, nothing is split or lost, and a step costs the same at the end as at the start."""

import itertools
import statistics
import time

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolCall, ToolMessage

from shared.agent import compaction, kept_files
from shared.agent.turn import Permission
from shared.messages import TooLarge
from shared.ports import Effect, ToolResult
from tests.fakes.chat_models import calls, scripted
from tests.unit.agent.kit import FakeControl, FakeTool, MemoryFiles, question
from tests.unit.agent.runs import FakeRun, words


def step(n, result="ok", **beside):
    call = ToolCall(name="say", args={"text": f"step {n}"}, id=f"c{n}", type="tool_call")
    return [
        AIMessage("", id=f"a{n}", tool_calls=[call]),
        ToolMessage(result, tool_call_id=f"c{n}", name="say", id=f"t{n}", **beside),
    ]


def steps(count, **fields):
    return [HumanMessage("do it", id="h"), *(message for n in range(count) for message in step(n, **fields))]


async def summed(before, transcript):
    return f"in short: {len(transcript.splitlines())} lines after {before!r}"


async def silent(before, transcript):
    return ""


async def test_a_small_state_is_left_as_it_is():
    state = steps(20)

    assert await compaction.compact(state, summarise=summed) is state


async def test_older_steps_are_replaced_by_a_summary_and_none_is_split():
    made = await compaction.compact(steps(40), summarise=summed)

    person, summary, *rest = made
    assert (person.text, person.id) == ("do it", "h")
    assert isinstance(summary, HumanMessage)
    assert "in short: 64 lines after ''" in summary.text
    assert [message.id for message in rest] == [id for n in range(32, 40) for id in (f"a{n}", f"t{n}")]


async def test_the_next_summary_replaces_the_one_before():
    made = await compaction.compact(steps(40), summarise=summed)
    more = [*made, *(message for n in range(40, 80) for message in step(n))]

    again = await compaction.compact(more, summarise=summed)

    summaries = [message for message in again if compaction.SUMMARY in message.additional_kwargs]
    assert len(summaries) == 1
    assert "after \"in short: 64 lines after ''\"" in summaries[0].text


async def test_the_persons_own_messages_stay_in_their_order():
    state = steps(20) + [HumanMessage("and this", id="h2")] + [message for n in range(20, 45) for message in step(n)]
    state += [HumanMessage("and that", id="h3"), *step(45)]

    made = await compaction.compact(state, summarise=summed)

    own = [message.text for message in made if isinstance(message, HumanMessage)]
    assert own[:2] == ["do it", "and this"]
    assert own[-1] == "and that"
    assert len(own) == 4


async def test_files_of_what_goes_stay():
    files = kept_files.dumped(MemoryFiles(f=("a.txt", "text/plain", b"x")).attachments())
    state = steps(40)
    state[2].artifact = {"attachments": files, "stored": files}

    made = await compaction.compact(state, summarise=summed)

    assert kept_files.dumped(kept_files.outgoing(made)) == files
    assert kept_files.dumped(kept_files.stored(made)) == files
    again = await compaction.compact(
        [*made, *(message for n in range(40, 80) for message in step(n))], summarise=summed
    )
    assert kept_files.dumped(kept_files.outgoing(again)) == files


async def test_without_a_model_the_summary_names_what_was_called():
    made = await compaction.compact(steps(40), summarise=silent)

    assert 'Called say with {"text": "step 31"}' in made[1].text
    assert "Result of say: ok" in made[1].text


async def test_a_few_huge_steps_are_too_much_as_well():
    made = await compaction.compact(steps(10, result="x" * 30_000), summarise=summed)

    assert compaction.size(made) <= compaction.BYTES
    assert made[-1].id == "t9"


async def test_a_huge_message_of_the_persons_is_shortened_but_never_before_it_was_read():
    huge = HumanMessage("x" * 250_000, id="h")
    assert (await compaction.compact([huge], summarise=summed))[0].text == huge.text

    made = await compaction.compact([huge, *step(1)], summarise=summed)

    assert (made[0].id, len(made[0].text) < 9_000) == ("h", True)
    assert "242000 more characters" in made[0].text


async def test_what_is_too_large_even_then_ends_the_run():
    with pytest.raises(TooLarge, match="larger than one run may be"):
        await compaction.compact(steps(1, result="x" * 950_000), summarise=summed)


def test_a_transcript_is_bounded():
    text = compaction.transcript(steps(500, result="y" * 5_000)[1:])

    assert len(text) == compaction.LONGEST_TRANSCRIPT
    assert 'Called say with {"text": "step 499"}' in text


# --- in a run ---


class Worker:
    """A model that calls a tool so many times, every tenth time one that writes, and can be asked for a summary."""

    def __init__(self, count):
        self.count = count
        self.made = 0
        self.given = []

    async def __call__(self, messages):
        if "<steps>" in messages[-1].text:
            return AIMessage("Much was done.")
        self.given.append(len(messages))
        if self.made == self.count:
            return AIMessage("done")
        self.made += 1
        return calls(("write" if self.made % 10 == 0 else "say", {"text": f"step {self.made}"}))


async def test_two_thousand_steps_cost_the_same_at_the_end_as_at_the_start():
    size, times = [], []

    async def does(arguments, context):
        times.append(time.process_time())
        return ToolResult("found something of a usual length, such as a line of text " * 5)

    worker = Worker(2_000)
    tools = [FakeTool(does=does), FakeTool(name="write", effect=Effect.WRITE)]
    run = FakeRun([scripted(worker)], tools)

    async def measure(point):
        if point == "started":
            found = await run.checkpoints.saver.aget_tuple(
                {"configurable": {"thread_id": run.ledger.pointer.thread, "checkpoint_ns": ""}}
            )
            size.append(len(run.checkpoints.saver.serde.dumps_typed(found.checkpoint)[1]))

    run.ledger.before = measure
    outcome = await run.work()

    assert outcome.answer.text == "done"
    assert (len(tools[0].called), len(tools[1].called), len(run.ledger.rows)) == (1_800, 200, 200)
    assert max(worker.given) <= compaction.MESSAGES + 10
    assert max(size[100:]) < 1.5 * max(size[10:100]) < 200_000
    between = [after - before for before, after in itertools.pairwise(times)]
    assert statistics.median(between[-600:]) < 2 * statistics.median(between[100:700])
    assert run.checkpoints.threads == [run.ledger.pointer.thread]


async def test_a_long_run_goes_on_over_segments_with_its_summary():
    worker = Worker(100)
    run = FakeRun([scripted(worker)], [FakeTool(), FakeTool(name="write", effect=Effect.WRITE)])
    for at in (70, 70):
        assert (await run.work(FakeControl(drain_at=at))).pointer

    assert (await run.work()).answer.text == "done"
    assert worker.made == 100
    assert len(run.tools[0].called) + len(run.tools[1].called) == 100


async def test_after_a_summary_a_question_of_an_older_call_is_nobodys():
    """Providers that use the same call ids again: a later call has nothing to do with an answer to an earlier one."""

    async def replies(messages):
        if "<steps>" in messages[-1].text:
            return AIMessage("In short.")
        replies.made += 1
        if replies.made > 45:
            return AIMessage("done")
        name = "ask" if replies.made == 1 else "say"
        wanted = calls((name, {"text": str(replies.made)}), ids=["call_0"])
        return wanted.model_copy(update={"id": "chatcmpl-1"})

    replies.made = 0
    ask, say = FakeTool(name="ask", effect=Effect.WRITE), FakeTool(effect=Effect.WRITE)
    run = FakeRun([scripted(replies)], [ask, say])
    control = FakeControl(permit=lambda tool, _: Permission.ASK if tool == "ask" else Permission.ALLOW)
    run.answer((await run.work(control)).asked[0], "approve")

    outcome = await run.work(control)

    assert outcome.answer.text == "done"
    assert (len(ask.called), len(say.called), len(run.ledger.rows)) == (1, 44, 45)


async def test_a_summary_without_a_model_is_made_when_the_model_fails():
    async def replies(messages):
        if "<steps>" in messages[-1].text:
            raise ConnectionError("away")
        replies.made += 1
        return AIMessage("done") if replies.made > 40 else calls(("say", {"text": str(replies.made)}))

    replies.made = 0
    model = scripted(replies)
    run = FakeRun([model], [FakeTool()], asked=question("count"))

    outcome = await run.work()

    assert outcome.answer.text == "done"
    assert any("Called say with" in message.text for message in model.seen[-1])
    assert len(words(model.seen[-1])) < 40
