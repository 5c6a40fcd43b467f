"""Calls of tools and models as telemetry has them: spans and metrics in the words of the conventions for generative AI.

Neither arguments nor results nor messages are recorded, and of an exception only its type.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.messages import OutcomeUnknown
from shared.ports import Tool, ToolError
from shared.telemetry import Metric, add, bound, enabled, measure, span

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

    from shared.telemetry.protocols import Span

_MILLION = 1_000_000
_PROVIDERS = {"google_genai": "gcp.gemini", "demo": "praxos.demo"}
"""The conventions' names of providers where they are not ours."""

Prices = Mapping[str, tuple[float, float]]
"""What a million tokens cost, in and out, by the name of the model."""


def prices(text: str) -> Prices:
    """Read PRAXOS_MODEL_PRICES, whose form the settings have checked."""
    found = {}
    for line in filter(None, map(str.strip, text.split(","))):
        name, _, both = line.partition("=")
        into, _, out = both.partition("/")
        found[name.strip()] = (float(into), float(out))
    return found


@contextmanager
def tool_call(tool: Tool, *, call: str) -> Iterator[None]:
    """One call of a tool."""
    outcome = "done"
    about = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool.name,
        "gen_ai.tool.call.id": call,
        "gen_ai.tool.type": "function",
        "praxos.tool.effect": tool.effect,
    }
    with span(f"execute_tool {tool.name}", attributes=about) as current:
        try:
            yield
        except BaseException as error:
            outcome = _outcome(error)
            raise
        finally:
            current.set({"praxos.outcome": outcome})
            add(Metric.TOOL_CALLS, attributes={"gen_ai.tool.name": tool.name, "praxos.outcome": outcome})


def _outcome(error: BaseException) -> str:
    match error:
        case ToolError():
            return "refused"
        case OutcomeUnknown():
            return "unknown"
        case TimeoutError():
            return "too slow"
        case Exception():
            return "error"
    return "cut"


@dataclass(slots=True)
class ModelCall:
    """A call of a model that is under way."""

    model: str
    about: Mapping[str, str]
    prices: Prices
    current: Span

    def answered(self, message: AIMessage) -> None:
        """Note what it took, as the provider counts it."""
        usage = message.usage_metadata
        said = message.response_metadata
        more: dict[str, str | int] = {"gen_ai.response.model": str(said.get("model_name") or self.model)}
        if reason := said.get("finish_reason"):
            more["gen_ai.response.finish_reasons"] = str(reason)
        if usage:
            more["gen_ai.usage.input_tokens"] = usage["input_tokens"]
            more["gen_ai.usage.output_tokens"] = usage["output_tokens"]
            self._spent(usage["input_tokens"], usage["output_tokens"])
        self.current.set(more)

    def _spent(self, into: int, out: int) -> None:
        user = bound().get("user", "")
        for kind, count in (("input", into), ("output", out)):
            measure(Metric.MODEL_TOKENS, count, {**self.about, "gen_ai.token.type": kind})
            who = {"praxos.user": user, "praxos.model": self.model, "gen_ai.token.type": kind}
            add(Metric.TOKENS, count, who)
        if price := self.prices.get(self.model):
            cost = (into * price[0] + out * price[1]) / _MILLION
            add(Metric.COST, cost, {"praxos.user": user, "praxos.model": self.model})


class _Unobserved:
    def answered(self, message: AIMessage) -> None:
        pass


_UNOBSERVED = _Unobserved()


@contextmanager
def model_call(model: str, *, prices: Prices) -> Iterator[ModelCall | _Unobserved]:
    """One request to a model, by the name that PRAXOS_MODEL gives it."""
    if not enabled():
        yield _UNOBSERVED
        return
    provider, _, name = model.partition(":")
    known = _PROVIDERS.get(provider, provider)
    about = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": known,
        "gen_ai.request.model": name or provider,
    }
    begun = time.perf_counter()
    failure: dict[str, str] = {}
    # `gen_ai.system` is the older name, which Azure Monitor still looks for.
    with span(f"chat {name or provider}", kind="client", attributes={**about, "gen_ai.system": known}) as current:
        try:
            yield ModelCall(model, about, prices, current)
        except BaseException as error:
            failure = {"error.type": type(error).__qualname__}
            raise
        finally:
            measure(Metric.MODEL_DURATION, time.perf_counter() - begun, {**about, **failure})
