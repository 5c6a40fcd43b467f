"""OpenAI's models, and those of anything that speaks its HTTP API: Ollama, vLLM, LM Studio, LiteLLM, …"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, SecretStr

from shared.ports import Parts
from shared.settings import EnvironmentSettings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

DEFAULT_MODEL = "gpt-5-mini"


class OpenAISettings(EnvironmentSettings):
    """How to reach the service. With a base URL a key is not needed: servers of one's own rarely ask for one."""

    api_key: SecretStr = Field(SecretStr(""), alias="OPENAI_API_KEY", description="OpenAI's key.")
    base_url: str = Field(
        "",
        alias="OPENAI_BASE_URL",
        pattern=r"^(https?://\S+)?$",
        description="The address of another service that speaks OpenAI's API, such as http://localhost:11434/v1.",
    )


class OpenAIProvider:
    """Makes chat models that speak OpenAI's API."""

    def __init__(self, *, settings: OpenAISettings, seconds: float) -> None:
        """`seconds` is the time-out of a request."""
        self._settings = settings
        self._seconds = seconds

    def configured(self) -> bool:
        """True with a key or a base URL."""
        return bool(self._settings.api_key.get_secret_value() or self._settings.base_url)

    def chat_model(self, *, name: str) -> BaseChatModel:
        """The model of that name, or DEFAULT_MODEL. Loading the library takes a second: call it off the event loop."""
        from langchain_openai import ChatOpenAI

        base_url = self._settings.base_url or None
        return ChatOpenAI(
            model=name or DEFAULT_MODEL,
            # The client insists on a key.
            api_key=self._settings.api_key if self._settings.api_key.get_secret_value() else SecretStr("none"),
            base_url=base_url,
            timeout=self._seconds,
            # The chain of models decides about trying again: the client would sleep through a Retry-After.
            max_retries=0,
            # Other services rarely know OpenAI's newer Responses API.
            use_responses_api=False if base_url else None,
        )


def build(parts: Parts) -> OpenAIProvider:
    """Make the provider. Raises SettingError."""
    return OpenAIProvider(settings=OpenAISettings.from_environ(parts.environ), seconds=parts.settings.turn_seconds / 2)
