"""The demo model in a run: it counts slowly, hears what is said meanwhile, and survives that older messages are gone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count as numbers
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from shared.agent import approval, compaction, doubt, gate, prompt
from shared.models.demo import counting, phrases, reading
from shared.models.demo.model import DemoModel
from shared.pipeline import words
from shared.tools.pause import Pause, Waiting

TOOLS = frozenset({"pause", "calculate", "current_time", "remember", "post_webhook", "ask_person"})
CONTEXT = '<context now="2026-03-03T14:05+01:00" weekday="Tuesday" time_zone="Europe/Berlin" from="Ada">\n'
BEFORE: list[BaseMessage] = [SystemMessage("x"), HumanMessage("time"), AIMessage("It is noon.")]
SKIPPED = gate.SKIPPED


def person(text: str) -> HumanMessage:
    return HumanMessage(CONTEXT + text)


class Talk:
    """A run: the model is asked again and again, and its calls are answered."""

    def __init__(self, text: str) -> None:
        self.model = DemoModel(tools=TOOLS)
        self.messages: list[BaseMessage] = [*BEFORE, person(text)]

    async def ask(self) -> AIMessage:
        reply = await self.model.ainvoke(self.messages)
        self.messages.append(reply)
        return reply

    def result(self, reply: AIMessage, text: str = "Waited 1 second.", **more: Any) -> None:
        self.messages += [ToolMessage(text, tool_call_id=call["id"], **more) for call in reply.tool_calls]

    async def steps(self, count: int) -> list[str]:
        """That many pauses, with what they show."""
        notes = []
        for _ in range(count):
            reply = await self.ask()
            [call] = reply.tool_calls
            assert call["name"] == "pause"
            notes.append(call["args"]["note"])
            self.result(reply)
        return notes

    def say(self, text: str) -> None:
        self.messages.append(person(text))

    def compact(self, keep: int, *instead: BaseMessage) -> None:
        """Only the newest messages stay, and words in place of the others."""
        self.messages = [SystemMessage("x"), *instead, *self.messages[-keep:]]


async def test_it_counts_to_the_end() -> None:
    talk = Talk("count to 3 slowly")
    assert await talk.steps(3) == ["1 of 3", "2 of 3", "3 of 3"]
    assert (await talk.ask()).text == "Counted to 3."


async def test_its_pauses_are_what_the_tool_takes() -> None:
    [call] = (await Talk("count to 500 slowly").ask()).tool_calls
    assert Pause().doing(arguments=Waiting.model_validate(call["args"])) == "1 of 500"


@pytest.mark.parametrize("text", ["count to 1 slowly", "count to 501 slowly", "count to 999999999 slowly"])
async def test_it_counts_between_2_and_500(text: str) -> None:
    assert (await Talk(text).ask()).text == "I can count slowly to any number from 2 to 500."


@pytest.mark.parametrize("text", ["stop counting", "Stop!", "please stop counting", "enough"])
async def test_it_stops_when_the_person_says_so(text: str) -> None:
    talk = Talk("count to 10 slowly")
    await talk.steps(4)
    talk.say(text)
    assert (await talk.ask()).text == "Stopped counting at 4."


async def test_it_does_not_stop_for_a_stop_of_before() -> None:
    talk = Talk("count to 2 slowly")
    await talk.steps(1)
    talk.say("stop counting")
    await talk.ask()
    talk.say("count to 2 slowly")
    assert await talk.steps(2) == ["1 of 2", "2 of 2"]
    assert (await talk.ask()).text == "Counted to 2."


async def test_what_is_said_meanwhile_is_told_at_the_end() -> None:
    talk = Talk("count to 3 slowly")
    await talk.steps(1)
    talk.say("the sky is blue")
    await talk.steps(1)
    talk.say("and so am I")
    assert await talk.steps(1) == ["3 of 3"]
    assert (await talk.ask()).text == (
        "Counted to 3.\n\nMeanwhile you said: the sky is blue\n\nMeanwhile you said: and so am I"
    )


async def test_what_is_asked_meanwhile_is_done_at_once_and_then_it_goes_on() -> None:
    talk = Talk("count to 3 slowly")
    await talk.steps(2)
    talk.say("what is 12*7+3")
    asked = await talk.ask()
    assert [call["name"] for call in asked.tool_calls] == ["calculate"]
    talk.result(asked, "12*7+3 = 87")
    assert await talk.steps(1) == ["3 of 3"]
    assert (await talk.ask()).text == "Counted to 3.\n\n`12*7+3` = **87**"


async def test_another_count_takes_the_place_of_the_first() -> None:
    talk = Talk("count to 10 slowly")
    await talk.steps(5)
    talk.say("count to 2 slowly")
    assert await talk.steps(2) == ["1 of 2", "2 of 2"]
    assert (await talk.ask()).text == "Counted to 2."


async def test_a_skipped_pause_is_not_counted() -> None:
    for status in ("success", "error"):
        talk = Talk("count to 3 slowly")
        await talk.steps(1)
        talk.result(await talk.ask(), SKIPPED, status=status)
        talk.say("hm")
        assert await talk.steps(2) == ["2 of 3", "3 of 3"]
        assert (await talk.ask()).text == "Counted to 3.\n\nMeanwhile you said: hm"


async def test_a_stop_right_after_a_skipped_first_pause() -> None:
    talk = Talk("count to 3 slowly")
    talk.result(await talk.ask(), SKIPPED, status="error")
    talk.say("stop counting")
    assert (await talk.ask()).text == "Stopped counting at 0."


async def test_a_pause_that_fails_ends_it_in_words() -> None:
    talk = Talk("count to 3 slowly")
    await talk.steps(2)
    talk.result(await talk.ask(), "It took too long and was stopped.", status="error")
    assert (await talk.ask()).text == (
        "I had to stop counting at 2. That did not work: It took too long and was stopped."
    )


@pytest.mark.parametrize(
    "instead",
    [
        [],
        [HumanMessage("Counted so far: a lot.\n- They said: what is 1+1")],
        [HumanMessage(f"{compaction.INTRODUCTION}\n<earlier_steps>\nwhat is 1+1\n</earlier_steps>")],
        [SystemMessage("Earlier in this run: what is 1+1")],
        [person("count to 60 slowly")],
        [person("count to 60 slowly"), HumanMessage("What was done so far, in short.")],
    ],
    ids=["nothing", "a message", "a summary", "a system message", "the first message", "both"],
)
@pytest.mark.parametrize("keep", [1, 2, 19, 20])
async def test_it_knows_how_far_it_is_when_older_messages_are_gone(instead: Sequence[BaseMessage], keep: int) -> None:
    talk = Talk("count to 60 slowly")
    await talk.steps(50)
    if keep == 1:  # an AI message always stays with its results
        keep = 2
    talk.compact(keep, *instead)
    assert await talk.steps(1) == ["51 of 60"]
    talk.say("hello there, old friend")
    talk.compact(20, *instead)
    await talk.steps(9)
    assert (await talk.ask()).text == "Counted to 60.\n\nMeanwhile you said: hello there, old friend"


@pytest.mark.parametrize("steps", [80, 200])
async def test_it_survives_the_agents_own_compaction(steps: int) -> None:
    talk = Talk(f"count to {steps} slowly")

    async def summarise(before: str, transcript: str) -> str:
        return (await talk.model.ainvoke(prompt.to_shorten(before=before, steps=transcript))).text

    async def ask() -> AIMessage:
        run = await compaction.compact(talk.messages[len(BEFORE) :], summarise=summarise)
        talk.messages = [*BEFORE, *run]
        reply = await talk.model.ainvoke([*BEFORE, *prompt.joined(run)])
        talk.messages.append(reply)
        return reply

    notes = []
    while (reply := await ask()).tool_calls:
        [call] = reply.tool_calls
        if call["name"] == "pause":
            notes.append(call["args"]["note"])
        talk.messages.append(
            ToolMessage("2+2 = 4" if call["name"] == "calculate" else "ok", name=call["name"], tool_call_id=call["id"])
        )
        if len(notes) == 5 and call["name"] == "pause":
            talk.say("the sky is blue")
            talk.say("what is 2+2")
    assert notes == [f"{n} of {steps}" for n in range(1, steps + 1)]
    assert reply.text == f"Counted to {steps}.\n\n`2+2` = **4**\n\nMeanwhile you said: the sky is blue"
    assert len(talk.messages) < 80


async def test_messages_that_were_joined_are_heard_one_by_one() -> None:
    for texts in (["time", "what is 1+1"], ["hello 1", "hello 2"], ["count to 3 slowly", "stop counting"]):
        apart, joined = Talk(texts[0]), Talk(texts[0])
        apart.say(texts[1])
        joined.say(texts[1])
        joined.messages = list(prompt.joined(joined.messages))
        one, other = await apart.ask(), await joined.ask()
        assert (one.text, [call["args"] for call in one.tool_calls]) == (
            other.text,
            [call["args"] for call in other.tool_calls],
        )


async def test_a_file_belongs_to_the_message_that_it_came_with() -> None:
    file = {"type": "text", "text": '<file name="a.txt" type="text/plain" size="5">…</file>'}
    first = HumanMessage([{"type": "text", "text": f"{CONTEXT}one"}, file])
    run = reading.follow([*BEFORE, *prompt.joined([first, person("two")])])
    assert [(heard.text, len(heard.files)) for heard in run.said] == [("one", 1), ("two", 0)]


async def test_a_call_of_an_assistant_that_changed_is_made_again() -> None:
    talk = Talk("count to 2 slowly")
    talk.result(await talk.ask(), words.CHANGED_MEANWHILE, status="error")
    assert await talk.steps(2) == ["1 of 2", "2 of 2"]


async def test_what_was_skipped_is_done_after_all() -> None:
    talk = Talk("remember that I like tea")
    talk.result(await talk.ask(), SKIPPED, status="error")
    talk.say("what is 1+1")
    asked = await talk.ask()
    assert [call["name"] for call in asked.tool_calls] == ["remember", "calculate"]
    first, second = asked.tool_calls
    talk.messages += [
        ToolMessage("Remembered: I like tea", tool_call_id=first["id"]),
        ToolMessage("1+1 = 2", tool_call_id=second["id"]),
    ]
    assert (await talk.ask()).text == "I'll remember that: I like tea\n\n`1+1` = **2**"


async def test_two_messages_before_the_first_answer_are_both_answered() -> None:
    talk = Talk("hello 1")
    talk.say("hello 2")
    assert (await talk.ask()).text == "You said: hello 1\n\nYou said: hello 2"
    talk = Talk("what is 1+1")
    talk.say("hello 2")
    talk.result(await talk.ask(), "1+1 = 2")
    assert (await talk.ask()).text == "`1+1` = **2**\n\nMeanwhile you said: hello 2"
    talk = Talk("count to 3 slowly")
    talk.say("stop counting")
    assert (await talk.ask()).text == "I am not counting."


async def test_the_same_question_in_the_middle_is_asked_again() -> None:
    talk = Talk("time")
    talk.result(await talk.ask(), "It is noon.")
    talk.say("time")
    talk.result(await talk.ask(), "It is one.")
    assert (await talk.ask()).text == "It is noon.\n\nIt is one."


async def test_of_two_calls_only_the_skipped_one_is_made_again() -> None:
    talk = Talk("time")
    talk.result(await talk.ask(), "It is noon.")
    talk.say("post a to https://a.example/")
    talk.say("post b to https://a.example/")
    first, second = (await talk.ask()).tool_calls
    talk.messages += [
        ToolMessage("Posted: a", tool_call_id=first["id"]),
        ToolMessage(SKIPPED, tool_call_id=second["id"], status="error"),
    ]
    talk.say("hm")
    [call] = (await talk.ask()).tool_calls
    assert call["args"]["text"] == "b"


@pytest.mark.parametrize("status", ["success", "error"])
async def test_a_call_is_never_made_twice_whatever_came_of_it_or_was_changed_in_it(status: str) -> None:
    talk = Talk("time")
    talk.result(await talk.ask(), "It is noon.")
    talk.say("post a to https://a.example/")
    asked = await talk.ask()
    asked.tool_calls[0]["args"]["text"] = "what the person made of it"
    talk.result(asked, "Nobody knows whether it was taken.", status=status)
    assert "Nobody knows" in (await talk.ask()).text


# --- outcomes in plain words ---

_ids = numbers()


def told(text: str, status: str = "error", tool: str = "post_webhook") -> str:
    id = f"c{next(_ids)}"
    call = AIMessage("", tool_calls=[{"name": tool, "args": {}, "id": id, "type": "tool_call"}])
    run = reading.follow([person("x"), call, ToolMessage(text, tool_call_id=id, status=status)])
    [done] = run.done
    return phrases.of(done)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.example did not take it.", "That did not work: a.example did not take it."),
        (
            SKIPPED,
            "I did not do that, because you wrote something else before I began. Say it again if you still want it.",
        ),
        ("The person has declined this.", "I did not do that. You have declined this."),
        (gate.DENIED, "I did not do that. This may not be done here, and was not done."),
        (
            f"{approval.REJECTED} They said: not now",
            "I did not do that. You said no to this: it was not done. You said: not now",
        ),
        (doubt.NOBODY_KNOWS, "I don't know whether that was done."),
        (doubt.DROPPED, "I don't know whether that was done. You want it left at that."),
        (doubt.CHECKED, "That did not work: It was looked up: this was not done."),
        (
            "a.example did not answer, so it may or may not have taken it. Do not call it again.",
            "I don't know whether that was done. a.example did not answer, so it may or may not have taken it.",
        ),
        (
            "It took too long, and nobody knows whether it was done. Do not call it again: ask what to do.",
            "I don't know whether that was done. It took too long, and nobody knows whether it was done.",
        ),
        ("Which one?\n- “tea”\n- “tee”", "That did not work: Which one?\n- “tea”\n- “tee”"),
        ("Not allowed here. Ask the owner.", "That did not work: Not allowed here. Ask the owner."),
        ("Do not call it again.", "That did not work."),
        ("", "That did not work."),
    ],
)
def test_what_did_not_come_to_pass_is_told_in_plain_words(text: str, words: str) -> None:
    assert told(text) == words


def test_a_call_that_the_person_changed_is_told_as_any_other() -> None:
    notice = f"{approval.CHANGED} Executed instead: post_webhook with arguments {{}}.\n\nTool response:\n"
    assert told(f"{notice}Posted: ok", "success") == "Posted: ok"


def test_a_page_that_speaks_of_skipping_was_read_all_the_same() -> None:
    assert told("The call was not bad.\n\nskipped", "success", "read_web_page").endswith("skipped")


@pytest.mark.parametrize(
    ("text", "stops"), [("stop", True), ("Please stop counting!", True), ("stop the car", False), ("don't stop", False)]
)
def test_which_words_stop_it(text: str, stops: bool) -> None:
    assert counting.is_stop(text) is stops
