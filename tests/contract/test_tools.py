"""Every entry of the registry's tools: resolves to the Tool protocol, and tells a model all that it needs to know."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from shared.ports import Effect, Tool
from shared.registry import REGISTRY, build_function
from tests.fakes.tools import parts

TOOLS = [
    (module, tool) for module in REGISTRY["tools"] for tool in build_function("tools", module)(parts(Path("nowhere")))
]

NAMES = {
    "current_time", "convert_time", "set_time_zone", "calculate", "set_reminder", "list_reminders", "change_reminder",
    "cancel_reminder", "remember", "recall", "forget", "read_web_page", "write_file", "read_file",
    "post_webhook", "pause", "ask_person",
}  # fmt: skip
"""What models, histories and the demo model call them by: a name is never changed, only added."""


def test_every_known_tool_is_there_once() -> None:
    names = [tool.name for _, tool in TOOLS]
    assert len(names) == len(set(names))
    assert set(names) >= NAMES


@pytest.mark.parametrize("tool", [pytest.param(tool, id=f"{module}-{tool.name}") for module, tool in TOOLS])
class TestTool:
    def test_it_follows_the_protocol(self, tool: Tool) -> None:
        assert issubclass(tool.arguments, BaseModel)
        assert isinstance(tool.effect, Effect)
        assert inspect.iscoroutinefunction(tool.call)
        assert list(inspect.signature(tool.call).parameters) == list(inspect.signature(Tool.call).parameters)[1:]

    def test_a_model_understands_it(self, tool: Tool) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,63}", tool.name), "what every provider takes as a function's name"
        assert 20 <= len(tool.description) <= 1024
        assert tool.description.endswith((".", "?"))
        schema = tool.arguments.model_json_schema()
        for name, field in schema.get("properties", {}).items():
            assert field.get("description"), f"{tool.name}.{name} has no description"
        assert len(json.dumps(schema)) < 4_000

    def test_a_person_understands_what_it_does(self, tool: Tool) -> None:
        assert re.fullmatch(r"[A-Z][^.…]{3,40}", tool.progress), "a phrase that stands alone, such as `Reading a page`"

    def test_its_texts_are_bounded(self, tool: Tool) -> None:
        for name, field in tool.arguments.model_json_schema().get("properties", {}).items():
            kinds = field.get("anyOf", [field])
            for kind in kinds:
                assert kind.get("type") != "string" or "maxLength" in kind, f"{tool.name}.{name} has no longest text"
