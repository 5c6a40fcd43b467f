"""The built-in demo model: rules instead of a neural network, real tools, no key and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.ports import Parts

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class DemoProvider:
    """Makes the demo model, which needs no setting."""

    def configured(self) -> bool:
        """Always."""
        return True

    def chat_model(self, *, name: str) -> BaseChatModel:
        """There is one demo model, whatever its name."""
        from shared.models.demo.model import DemoModel

        return DemoModel()


def build(parts: Parts) -> DemoProvider:  # noqa: ARG001  every plug-in's build takes them
    """Make the provider."""
    return DemoProvider()
