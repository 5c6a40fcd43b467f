"""What was said before, as messages that every model accepts."""

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage

from shared.agent import history
from shared.agent.turn import Role, Said

PERSON, ASSISTANT = Role.PERSON, Role.ASSISTANT


def shapes(*said):
    return [(type(message).__name__[0], message.text) for message in history.messages([Said(*one) for one in said])]


def test_neighbours_are_joined_and_gaps_filled():
    assert shapes((ASSISTANT, "reminder"), (PERSON, "a"), (PERSON, "b"), (ASSISTANT, " "), (PERSON, "c")) == [
        ("H", history.BEGUN_EARLIER),
        ("A", "reminder"),
        ("H", "a\n\nb\n\nc"),
        ("A", history.UNANSWERED),
    ]


@given(st.lists(st.tuples(st.sampled_from(list(Role)), st.text(max_size=5))))
def test_roles_alternate_from_the_person_to_the_assistant(said):
    messages = history.messages([Said(role, text) for role, text in said])

    assert [type(message) for message in messages] == [HumanMessage, AIMessage] * (len(messages) // 2)
    assert all(message.text.strip() for message in messages)


def test_long_messages_are_cut_and_old_ones_left_out():
    said = [Said(PERSON if n % 2 == 0 else ASSISTANT, f"{n} " + "x" * 50_000) for n in range(40)]

    messages = history.messages(said)

    assert sum(len(message.text) for message in messages) < history.LONGEST_HISTORY + 1_000
    assert messages[-1].text.startswith("39 x")
    assert messages[-1].text.endswith("more characters)")


def test_the_transcript_names_who_said_what():
    assert history.transcript([Said(PERSON, "hi"), Said(ASSISTANT, ""), Said(ASSISTANT, "hello")]) == (
        "Person: hi\n\nAssistant: hello"
    )
