"""The makers of chat models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class ModelProvider(Protocol):
    """A maker of chat models."""

    def configured(self) -> bool:
        """True when its settings are complete."""

    def chat_model(self, *, name: str) -> BaseChatModel:
        """The chat model of that name, or the provider's default for an empty one. May take seconds: run in a thread.

        It has a time-out on every call and leaves trying again to its caller. It raises LangChain's ModelError, or its
        client's own error with the `response`; whatever else it raises counts as passing trouble.
        """
