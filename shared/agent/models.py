"""Which chat models answer: the choice, the fallback from one to the next, and a circuit breaker for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared import registry, telemetry
from shared.agent import observed
from shared.agent.breaker import Breaker
from shared.messages import ModelUnavailable, Permanent, SettingError
from shared.ports import ModelProvider, Parts

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool

GATEWAY = "portkey"
BEHIND_GATEWAY = ("openai", "google_genai")
"""The providers that are reached through the gateway where one is configured."""
SECOND_TRY_SECONDS = 5.0
"""A model that failed faster than this, without saying when to come back, is tried once more."""

_log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a model did not answer, in words for an operator; and whether it may pass by itself."""

    words: str
    passing: bool


@dataclass(slots=True)
class _Candidate:
    """One model of the chain. `chat` is made on its first call, because a provider can take seconds to import."""

    name: str
    provider: ModelProvider
    asks: str
    """What the provider is asked for: a model's name, empty for its default."""
    breaker: Breaker
    failure: _Failure = _Failure("it did not answer", passing=True)
    """Its last, which is the reason why it is left alone."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    chat: BaseChatModel | None = None
    bound: dict[tuple[int, ...], Runnable[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said, and which one."""

    message: AIMessage
    model: str


class Models:
    """The chain of models that PRAXOS_MODEL names, or the first provider that is configured, or the demo."""

    def __init__(self, *, parts: Parts, build: Callable[[str, str], Callable[..., Any]] | None = None) -> None:
        """`build` finds a plug-in's `build` by group and name; tests pass their own."""
        self._parts = parts
        self._build = build or registry.build_function
        self._providers: dict[str, ModelProvider] = {}
        self._chain: tuple[_Candidate, ...] | None = None
        self._prices = observed.prices(parts.settings.model_prices)

    def names(self) -> Sequence[str]:
        """The models in the order in which they are tried. Raises SettingError: a name or a key that is missing."""
        return [candidate.name for candidate in self._candidates()]

    async def call(self, *, messages: Sequence[BaseMessage], tools: Sequence[BaseTool] = ()) -> Reply:
        """Ask the first model that answers. Raises ModelUnavailable when none does now, Permanent when none ever will."""
        failures: dict[str, _Failure] = {}
        waits: list[float] = []
        for candidate in self._candidates():
            if candidate.breaker.admit():
                try:
                    return await self._try(candidate, messages, tools)
                except Exception as error:  # noqa: BLE001  client libraries raise whatever a broken answer makes of them
                    candidate.failure = self._looked_at(candidate, error)
                except BaseException:
                    candidate.breaker.gave_up()
                    raise
            failures[candidate.name] = candidate.failure
            if candidate.failure.passing:
                waits.append(candidate.breaker.wait())
        reasons = "; ".join(f"{name}: {failure.words}" for name, failure in failures.items())
        if waits:
            raise ModelUnavailable(reasons, retry_after=min(waits) or None)
        raise Permanent(reasons)

    def _looked_at(self, candidate: _Candidate, error: Exception) -> _Failure:
        from shared.agent import trouble

        why = trouble.cause(error)
        if why is trouble.Cause.REQUEST:
            candidate.breaker.succeeded()
        else:
            candidate.breaker.failed(retry_after=trouble.retry_after(error, clock=self._parts.clock))
        failure = _Failure(trouble.words(error), passing=why is trouble.Cause.PASSING)
        _log.warning("a model did not answer", extra={"fields": {"model": candidate.name, "why": failure.words}})
        return failure

    async def _try(self, candidate: _Candidate, messages: Sequence[BaseMessage], tools: Sequence[BaseTool]) -> Reply:
        from shared.agent import sight, trouble

        bound, sees = await self._bound(candidate, tools)
        seconds = self._parts.settings.turn_seconds / 2
        started = self._parts.clock.monotonic()
        given = list(messages) if sees is not False else sight.without_images(messages)
        try:
            async with asyncio.timeout(seconds):
                answer = await self._asked(candidate, bound, given)
        except Exception as error:  # looked at by whoever called us, unless the second try succeeds
            why = trouble.cause(error)
            quick = self._parts.clock.monotonic() - started < SECOND_TRY_SECONDS
            asked_to_wait = trouble.retry_after(error, clock=self._parts.clock) is not None
            if why is trouble.Cause.REQUEST and sees is None and sight.has_images(messages):
                # Nobody says whether this model can see: it has just said no.
                given = sight.without_images(messages)
            elif why is not trouble.Cause.PASSING or not quick or asked_to_wait:
                raise
            async with asyncio.timeout(seconds):
                answer = await self._asked(candidate, bound, given)
        candidate.breaker.succeeded()
        return Reply(message=answer, model=candidate.name)

    async def _asked(self, candidate: _Candidate, bound: Runnable[Any, Any], given: Sequence[BaseMessage]) -> AIMessage:
        with observed.model_call(candidate.name, prices=self._prices) as call:
            answer: AIMessage = await bound.ainvoke(given)
            call.answered(answer)
        return answer

    async def _bound(self, candidate: _Candidate, tools: Sequence[BaseTool]) -> tuple[Runnable[Any, Any], bool | None]:
        """The model with the tools bound, made once; and whether it takes images, as far as is known."""
        async with candidate.lock:
            if candidate.chat is None:
                candidate.chat = await asyncio.to_thread(candidate.provider.chat_model, name=candidate.asks)
        key = tuple(id(tool) for tool in tools)
        if key not in candidate.bound:
            candidate.bound[key] = candidate.chat.bind_tools(list(tools)) if tools else candidate.chat
        profile = candidate.chat.profile
        return candidate.bound[key], profile.get("image_inputs") if profile else None

    # --- the choice -------------------------------------------------------------------------------------------

    def _candidates(self) -> Sequence[_Candidate]:
        if self._chain is None:
            chosen = [name.strip() for name in self._parts.settings.model.split(",") if name.strip()]
            self._chain = tuple(self._candidate(name) for name in dict.fromkeys(chosen or [self._default()]))
        return self._chain

    def _default(self) -> str:
        for name in registry.names("models"):
            if name != "demo" and self._provider(name).configured():
                return name
        return "demo"

    def _candidate(self, name: str) -> _Candidate:
        provider_name, _, model = name.partition(":")
        try:
            provider = self._provider(provider_name)
        except SettingError as error:
            raise SettingError(f"PRAXOS_MODEL: {error}") from None
        asks = model
        gateway = self._provider(GATEWAY) if provider_name in BEHIND_GATEWAY else None
        if gateway is not None and gateway.configured():
            provider, asks = gateway, f"{provider_name}:{model}"
        if not provider.configured():
            raise SettingError(f"PRAXOS_MODEL names {name}, but {provider_name} is not configured: set its key")
        return _Candidate(name=name, provider=provider, asks=asks, breaker=Breaker(self._parts.clock))

    def _provider(self, name: str) -> ModelProvider:
        if name not in self._providers:
            self._providers[name] = self._build("models", name)(self._parts)
        return self._providers[name]
