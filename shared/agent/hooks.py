"""How LangChain runs its hooks."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

import langsmith
from langsmith.utils import tracing_is_enabled


def run_inline() -> None:
    """Let LangChain run its hooks without threads where nothing is traced."""
    # LangChain traces every hook with two hops to a thread, also where tracing is off: then they are run right here.
    langsmith.set_runtime_overrides(aio_to_thread=None if tracing_is_enabled() else _inline)


async def _inline(
    _default: object, context: contextvars.Context, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    return context.run(function, *args, **kwargs)
