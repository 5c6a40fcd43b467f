"""Google's Gemini models, through the Gemini Developer API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, SecretStr

from shared.ports import Parts
from shared.settings import EnvironmentSettings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

DEFAULT_MODEL = "gemini-flash-latest"


class GeminiSettings(EnvironmentSettings):
    """How to reach the service."""

    api_key: SecretStr = Field(SecretStr(""), alias="GOOGLE_API_KEY", description="The key of Google's Gemini API.")


class GeminiProvider:
    """Makes Gemini chat models."""

    def __init__(self, *, settings: GeminiSettings, seconds: float, base_url: str | None = None) -> None:
        """`seconds` is the time-out of a request; `base_url` is where the API is, if not at Google's."""
        self._settings = settings
        self._seconds = seconds
        self._base_url = base_url

    def configured(self) -> bool:
        """True with a key."""
        return bool(self._settings.api_key.get_secret_value())

    def chat_model(self, *, name: str) -> BaseChatModel:
        """The model of that name, or DEFAULT_MODEL. Loading the library takes seconds: call it off the event loop."""
        from langchain_google_genai import ChatGoogleGenerativeAI

        return ChatGoogleGenerativeAI(
            model=name or DEFAULT_MODEL,
            api_key=self._settings.api_key,
            base_url=self._base_url,
            vertexai=False,
            timeout=self._seconds,
            # One attempt: 0 would mean the client's own default of five.
            max_retries=1,
        )


def build(parts: Parts) -> GeminiProvider:
    """Make the provider. Raises SettingError."""
    return GeminiProvider(settings=GeminiSettings.from_environ(parts.environ), seconds=parts.settings.turn_seconds / 2)
