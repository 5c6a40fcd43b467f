"""The demo model: what it understands, and that it calls real tools and tells what they said."""

import inspect
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel, ConfigDict

from shared import registry
from shared.agent.assistant import Assistant
from shared.agent.turn import Role, Said
from shared.models.demo import phrases, reading, rules, sums, times
from shared.models.demo.model import DemoModel
from shared.models.demo.words import DEMO
from shared.ports import ToolError, ToolResult
from tests.fakes.chat_models import chain
from tests.fakes.checkpoints import MemoryCheckpoints
from tests.fakes.clock import ManualClock
from tests.unit.agent.kit import FakeTool, MemoryFiles, answer, question

EARLIER = [HumanMessage("x"), AIMessage("y")]
CONTEXT = '<context now="2026-03-03T14:05+01:00" weekday="Tuesday" time_zone="Europe/Berlin" from="Ada">\n'


def respond(text, context=CONTEXT):
    return rules.respond(reading.hear([*EARLIER, HumanMessage(context + text)]))


UNDERSTOOD = [
    ("What time is it?", "current_time", {}),
    ("what's the date today", "current_time", {}),
    ("what time is it in Tokyo", "current_time", {"time_zone": "Tokyo"}),
    ("What's the time in New York right now?", "current_time", {"time_zone": "New York"}),
    ("please tell me the time in Paris", "current_time", {"time_zone": "Paris"}),
    ("convert 15:00 from Berlin to Tokyo", "convert_time", {"time": "15:00", "from_zone": "Berlin", "to_zone": "Tokyo"}),
    ("what is 3pm Berlin time in Tokyo?", "convert_time", {"time": "3pm", "from_zone": "Berlin", "to_zone": "Tokyo"}),
    ("what is 3 pm in Tokyo", "convert_time", {"time": "3 pm", "from_zone": "Europe/Berlin", "to_zone": "Tokyo"}),
    ("when it's 9am in London, what time is it in Rome?", "convert_time", {"time": "9am", "from_zone": "London", "to_zone": "Rome"}),
    ("what time is it in Rome when it is 9:30 here", "convert_time", {"time": "9:30", "from_zone": "Europe/Berlin", "to_zone": "Rome"}),
    ("my time zone is Europe/Berlin", "set_time_zone", {"time_zone": "Europe/Berlin"}),
    ("what is 12*7+3", "calculate", {"expression": "12*7+3"}),
    ("12 * (7 + 3) =", "calculate", {"expression": "12 * (7 + 3)"}),
    ("what's two plus two?", "calculate", {"expression": "2 + 2"}),
    ("how much is 15% of 80", "calculate", {"expression": "15% * 80"}),
    ("15 percent of 1,200", "calculate", {"expression": "15% * 1200"}),
    ("calculate the square root of 16", "calculate", {"expression": "sqrt(16)"}),
    ("2^10", "calculate", {"expression": "2**10"}),
    ("remind me in 1 minute to stretch", "set_reminder", {"text": "stretch", "in_minutes": 1}),
    ("Could you please remind me tomorrow at 9 to call Bob?", "set_reminder", {"text": "call Bob", "at": "2026-03-04T09:00"}),
    ("remind me to feed the cat in half an hour", "set_reminder", {"text": "feed the cat", "in_minutes": 30}),
    ("remind me every monday at 8:30 to post", "set_reminder", {"text": "post", "repeat": "30 8 * * 1"}),
    ("set a reminder for 18:30: cook", "set_reminder", {"text": "cook", "at": "2026-03-03T18:30"}),
    ("what are my reminders?", "list_reminders", {}),
    ("list my reminders", "list_reminders", {}),
    ("cancel the reminder 'stretch'", "cancel_reminder", {"reminder": "stretch"}),
    ("delete my reminder to call Bob", "cancel_reminder", {"reminder": "call Bob"}),
    ("cancel my stretch reminder", "cancel_reminder", {"reminder": "stretch"}),
    ("move the reminder stretch to 16:00", "change_reminder", {"reminder": "stretch", "at": "2026-03-03T16:00"}),
    ("postpone my stretch reminder to tomorrow at 9", "change_reminder", {"reminder": "stretch", "at": "2026-03-04T09:00"}),
    ("rename the reminder stretch to yoga", "change_reminder", {"reminder": "stretch", "text": "yoga"}),
    ("remember that my cat is called Tom", "remember", {"text": "my cat is called Tom"}),
    ("Remember: the code is 42!", "remember", {"text": "the code is 42"}),
    ("what do you remember about my cat?", "recall", {"query": "my cat"}),
    ("what's my cat's name", "recall", {"query": "my cat's name"}),
    ("what do you know about me", "recall", {"query": ""}),
    ("forget my cat", "forget", {"query": "my cat"}),
    ("forget everything you know about me", "forget", {"everything": True}),
    ("read https://example.com/a?b=c", "read_web_page", {"url": "https://example.com/a?b=c"}),
    ("Summarise https://example.com.", "read_web_page", {"url": "https://example.com"}),
    ("what does example.com/news say?", "read_web_page", {"url": "https://example.com/news"}),
    ("https://example.com", "read_web_page", {"url": "https://example.com"}),
    ("write a file notes.txt with milk and bread", "write_file", {"name": "notes.txt", "content": "milk and bread"}),
    ('create a file called "to do.md": # Today\n- milk', "write_file", {"name": "to do.md", "content": "# Today\n- milk"}),
    ("save hello world to out.txt", "write_file", {"name": "out.txt", "content": "hello world"}),
    ("read notes.txt", "read_file", {"name": "notes.txt"}),
    ("count to 10 slowly", "pause", {"seconds": 1, "note": "1 of 10"}),
    ("Please count slowly up to 500!", "pause", {"seconds": 1, "note": "1 of 500"}),
    ("ask me which colour: red, green , blue", "ask_person", {"question": "which colour?", "options": ["red", "green", "blue"]}),
    ("ask me what my name is", "ask_person", {"question": "what my name is?"}),
    ('post "Hello: you, to all" to https://example.com/hook', "post_webhook", {"text": "Hello: you, to all", "url": "https://example.com/hook"}),
    ("post hi to http://127.0.0.1:8080/a/", "post_webhook", {"text": "hi", "url": "http://127.0.0.1:8080/a/"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tool", "arguments"), UNDERSTOOD, ids=[text for text, _, _ in UNDERSTOOD])
def test_understands(text, tool, arguments):
    wanted = respond(text)

    assert (wanted.tool, wanted.arguments) == (tool, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "hello 3",
        "message 17 of 20",
        "3 of 10",
        "count to 10",
        "stop",
        "2026-03-01",
        "555-1234",
        "what is the meaning of life",
        "7",
        "…",
    ],
)
def test_repeats_what_it_has_no_rule_for_exactly(text):
    assert respond(f" {text}\n") == f"You said:  {text}\n"


@given(st.text(max_size=200))
def test_every_text_is_answered(text):
    assert isinstance(respond(text), str | rules.Wanted)


@settings(deadline=2000)
@given(
    st.lists(
        st.sampled_from("remind me at in to from . 5 what is a1 convert 1: reminder change file.txt".split()),
        max_size=1500,
    )
)
def test_no_text_takes_long(words):
    respond(" ".join(words))


def test_says_that_it_is_a_demo_when_greeted_asked_or_first_spoken_to_and_not_otherwise():
    first = rules.respond(reading.hear([HumanMessage("blah")]))

    assert first == f"You said: blah\n\n{DEMO}"
    for text in ("Hi!", "hello there", "help", "What can you do?", "/start", "are you a bot?"):
        assert DEMO in respond(text), text
    assert respond("Hi").startswith("Hello, Ada!")
    for text in ("blah", "thanks", "remind me to stretch"):
        assert DEMO not in respond(text), text


def test_a_reminder_that_comes_due_is_told():
    assert respond("what is 1+1", CONTEXT.replace(' from="Ada"', ' event="reminder"')) == "⏰ Reminder: what is 1+1"


def test_asks_when_a_reminder_has_no_time():
    assert respond("remind me to stretch").startswith("When should I remind you?")


def test_describes_files_that_came_with_the_message():
    message = HumanMessage(
        [
            {"type": "text", "text": f"{CONTEXT}"},
            {"type": "text", "text": '<file name="cat.png" type="image/png" size="1500">(…)</file>'},
            {"type": "text", "text": '<file name="a.txt" type="text/plain" size="5">…</file>'},
        ]
    )

    assert rules.respond(reading.hear([*EARLIER, message])) == (
        "Thank you, I got **cat.png** (image/png, 1.5 kB), **a.txt** (text/plain, 5 bytes).\n\n"
        "I'm the demo model and cannot see pictures; a real model can."
    )


# --- times ---

BERLIN = datetime(2026, 3, 3, 14, 5, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("text", "when", "rest"),
    [
        ("in 30 seconds to blink", {"in_minutes": 0.5}, "to blink"),
        ("in 2 hours and 30 minutes to go", {"in_minutes": 150}, "to go"),
        ("in an hour to leave at 9", {"in_minutes": 60}, "to leave at 9"),
        ("at 9 to run", {"at": "2026-03-04T09:00"}, "to run"),
        ("at noon to eat", {"at": "2026-03-04T12:00"}, "to eat"),
        ("tonight to sleep", {"at": "2026-03-03T20:00"}, "to sleep"),
        ("at midnight to sleep", {"at": "2026-03-04T00:00"}, "to sleep"),
        ("this afternoon to nap", {"at": "2026-03-03T15:00"}, "to nap"),
        ("to cook at 6 pm", {"at": "2026-03-03T18:00"}, "to cook"),
        ("at 12am to x", {"at": "2026-03-04T00:00"}, "to x"),
        ("on tuesday to x", {"at": "2026-03-10T09:00"}, "to x"),
        ("the day after tomorrow to x", {"at": "2026-03-05T09:00"}, "to x"),
        ("on 2 March at 10:15 to x", {"at": "2027-03-02T10:15"}, "to x"),
        ("March 31st to x", {"at": "2026-03-31T09:00"}, "to x"),
        ("on 2026-12-24 at 18:00 to x", {"at": "2026-12-24T18:00"}, "to x"),
        ("on 2026-02-30 to x", {"at": "2026-03-04T09:00"}, "to x"),
        ("every weekday at 7am to rise", {"repeat": "0 7 * * 1-5"}, "to rise"),
        ("to water the plants every evening", {"repeat": "0 19 * * *"}, "to water the plants"),
        ("to pay rent every month on the 1st at 9", {"repeat": "0 9 1 * *"}, "to pay rent"),
        ("every sunday to rest", {"repeat": "0 9 * * 0"}, "to rest"),
        ("weekly to x", {"repeat": "0 9 * * 2"}, "to x"),
        ("every hour to stand up", {"repeat": "5 * * * *"}, "to stand up"),
        ("to read chapter 5", {}, "to read chapter 5"),
    ],
)
def test_reads_when_a_reminder_is_due(text, when, rest):
    found, left = times.split(text, now=BERLIN)

    assert (found.arguments(), left) == (when, rest)


@pytest.mark.parametrize("text", ["seven apples", "x", "", "a + b", "12", "import os", "()"])
def test_what_is_no_sum_is_none(text):
    assert sums.expression(text) == ""


# --- with tools, through the whole agent ---


class Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


def demo(*tools):
    models = chain(DemoModel(), clock=ManualClock())
    return Assistant(models=models, tools=tools, checkpoints=MemoryCheckpoints())


async def said(text, *tools, **given):
    said = await answer(demo(*tools), question(text, history=[Said(Role.PERSON, "x")], **given))
    return said.text


def tool(name, result):
    async def does(arguments, context):
        if isinstance(result, Exception):
            raise result
        return ToolResult(result)

    return FakeTool(name=name, arguments=Anything, does=does)


@pytest.mark.parametrize(
    ("text", "name", "result", "answer"),
    [
        ("what is 12*7+3", "calculate", "12*7+3 = 87", "`12*7+3` = **87**"),
        ("time", "current_time", "It is noon.", "It is noon."),
        ("remember that I like tea", "remember", "Remembered: I like tea", "I'll remember that: I like tea"),
        ("remind me in 1 minute to stretch", "set_reminder", "Set: “stretch”, id ab12-c.", "Set: “stretch”."),
        (
            "cancel the reminder x",
            "cancel_reminder",
            ToolError("None matches “x”."),
            "That did not work: None matches “x”.",
        ),
        (
            "post hi to https://example.com",
            "post_webhook",
            "Posted: example.com took it with status 200 (OK). It answered:\nContent of x.\n[begin ab]\nok\n[end ab]",
            "Posted: example.com took it with status 200 (OK).\n\nIt answered: ok",
        ),
        ("ask me which: a, b", "ask_person", "b", "You answered: b"),
        (
            "read https://example.com",
            "read_web_page",
            "Content of https://example.com, written by others.\n[begin ab]\nA title\n\nThe text.\n[end ab]\nMore.",
            "**A title**\n\nThe text.",
        ),
    ],
)
async def test_calls_the_tool_and_tells_what_it_said(text, name, result, answer):
    assert await said(text, tool(name, result)) == answer


async def test_counts_through_the_whole_agent():
    pause = tool("pause", "Waited 1 second.")

    assert await said("count to 5 slowly", pause) == "Counted to 5."
    assert [arguments.note for arguments, _ in pause.called] == [f"{n} of 5" for n in range(1, 6)]


async def test_shows_the_beginning_of_a_long_page():
    shown = await said("read https://example.com", tool("read_web_page", "word " * 1000))

    assert len(shown) < phrases.BEGINNING + 50
    assert shown.endswith("…\n\n(That is the beginning.)")


async def test_a_file_that_came_along_is_read_by_its_name():
    reader = tool("read_file", "the text")
    files = MemoryFiles(t=("a b.txt", "text/plain", b"the text"))

    assert await said("read it", reader, files=files, attachments=files.attachments()) == "the text"
    assert reader.called[0][0].model_dump() == {"name": "a b.txt"}


async def test_says_so_where_a_tool_is_not_there():
    assert "not switched on" in await said("what is 1+1")


async def test_order_and_text_can_be_seen_from_outside():
    assert await said(" One\n  two ") == "You said:  One\n  two"


async def test_ids_are_random_as_a_services_are():
    model = DemoModel().bind_tools([tool("current_time", "x")])
    first, second = [await model.ainvoke([*EARLIER, HumanMessage("time")]) for _ in range(2)]

    assert first.id != second.id
    assert first.tool_calls[0]["id"] != second.tool_calls[0]["id"]


async def test_is_a_chat_model_like_any_other():
    assert (await DemoModel().ainvoke("blah")).text.startswith("You said: blah")
    assert (await DemoModel().agenerate([[HumanMessage("thanks")]])).generations[0][0].text == "You're welcome!"
    assert inspect.iscoroutinefunction(DemoModel.ainvoke)


async def test_several_results_are_told_in_one_answer():
    model = DemoModel()
    asked = await model.bind_tools([tool("current_time", "")]).ainvoke([*EARLIER, HumanMessage("time")])
    again = asked.model_copy(update={"tool_calls": [{**asked.tool_calls[0], "id": "2"}]})
    results = [ToolMessage("one", tool_call_id=asked.tool_calls[0]["id"]), again, ToolMessage("two", tool_call_id="2")]

    assert (await model.ainvoke([*EARLIER, HumanMessage("time"), asked, *results])).text == "one\n\ntwo"


async def test_summarises_what_the_person_said():
    agent = demo()
    told = [Said(Role.PERSON, f"message {n}") for n in range(40)]

    summary = await agent.summarise(summary="- They said: before", said=told[:2])
    longer = await agent.summarise(summary=summary, said=told)

    assert summary == "- They said: before\n- They said: message 0\n- They said: message 1"
    assert longer.splitlines()[-1] == "- They said: message 39"
    assert len(longer.splitlines()) == 30


def test_a_message_without_context_is_read_as_it_is():
    heard = reading.hear([SystemMessage("x"), HumanMessage("hello")])

    assert (heard.text, heard.first, heard.time_zone, heard.now.tzinfo) == ("hello", True, "UTC", UTC)


def test_the_registry_finds_it():
    provider = registry.build_function("models", "demo")(None)

    assert provider.configured()
    assert isinstance(provider.chat_model(name=""), DemoModel)
