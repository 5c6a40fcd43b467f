# ruff: noqa: INP001  stands on a path of its own, as an installed package would
"""A tool that takes its time, and the demo model with a rule that calls it: `nap 2`."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from pydantic import BaseModel

from shared.models.demo.model import DemoModel
from shared.ports import Effect, Parts, ToolContext, ToolResult


class Napping(BaseModel):
    seconds: float


class Nap:
    name = "nap"
    description = "Sleep."
    arguments: type[BaseModel] = Napping
    effect = Effect.READ
    progress = "Taking a nap"

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        assert isinstance(arguments, Napping)
        await asyncio.sleep(arguments.seconds)
        return ToolResult("slept")


class NappingModel(DemoModel):
    def _answer(self, messages: Sequence[Any]) -> AIMessage:
        last = messages[-1]
        if isinstance(last, ToolMessage) and last.name == "nap":
            return self._say("I slept well.")
        if wanted := re.search(r"^nap ([\d.]+)$", last.text, re.MULTILINE):
            call = ToolCall(name="nap", args={"seconds": float(wanted[1])}, id=uuid.uuid4().hex, type="tool_call")
            return AIMessage("", id=uuid.uuid4().hex, tool_calls=[call])
        return super()._answer(messages)


class NappingProvider:
    def configured(self) -> bool:
        return True

    def chat_model(self, *, name: str) -> NappingModel:
        return NappingModel()


def build_model(parts: Parts) -> NappingProvider:
    return NappingProvider()


def build_tools(parts: Parts) -> Sequence[Nap]:
    return [Nap()]
