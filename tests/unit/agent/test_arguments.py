"""Arguments and answers, checked before they are recorded."""

import subprocess
import sys

import pytest

from shared.agent.arguments import check_answer, check_arguments, fingerprint
from shared.agent.turn import AskKind
from tests.unit.agent.kit import AskingTool, FakeTool


@pytest.mark.parametrize(
    ("args", "wrong"),
    [
        ({"text": "x"}, None),
        ({"text": "x", "count": "2"}, None),
        ({}, "text: Field required."),
        ({"text": "x", "count": "many secrets"}, "count: Input should be a valid integer"),
    ],
)
def test_arguments_are_checked_by_the_tools_own_model_and_never_repeated(args, wrong):
    found = check_arguments(FakeTool(), args)

    assert (found is None) if wrong is None else (wrong in found and "secrets" not in found)


@pytest.mark.parametrize(
    ("kind", "value", "good"),
    [
        (AskKind.APPROVAL, {"type": "approve"}, True),
        (AskKind.APPROVAL, {"type": "reject"}, True),
        (AskKind.APPROVAL, {"type": "reject", "message": "no"}, True),
        (AskKind.APPROVAL, {"type": "edit", "arguments": {"text": "x"}}, True),
        (AskKind.APPROVAL, {"type": "edit", "edited_action": {"name": "say", "args": {"text": "x"}}}, True),
        (AskKind.APPROVAL, {"type": "edit", "arguments": {}}, False),
        (AskKind.APPROVAL, {"type": "edit"}, False),
        (AskKind.APPROVAL, {"type": "respond", "message": "x"}, False),
        (AskKind.APPROVAL, {}, False),
        (AskKind.CHOICE, {"type": "respond", "message": "tea"}, True),
        (AskKind.TEXT, {"type": "respond", "message": ""}, True),
        (AskKind.TEXT, {"type": "respond"}, False),
        (AskKind.TEXT, {"type": "approve"}, False),
        (AskKind.UNCERTAIN, {"type": "check"}, True),
        (AskKind.UNCERTAIN, {"type": "repeat"}, True),
        (AskKind.UNCERTAIN, {"type": "drop"}, True),
        (AskKind.UNCERTAIN, {"type": "approve"}, False),
    ],
)
def test_an_answer_fits_its_question_or_is_refused_with_words(kind, value, good):
    tool = AskingTool() if kind in (AskKind.CHOICE, AskKind.TEXT) else FakeTool()

    assert (check_answer(tool, kind=kind, value=value) is None) is good


def test_the_fingerprint_of_arguments_does_not_depend_on_their_order():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1}) != fingerprint({"a": 1, "b": [3]})


def test_checking_loads_no_agent_library():
    code = "import sys, shared.agent.arguments; sys.exit(any(name.startswith(('langchain', 'langgraph')) for name in sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
