"""Portkey, a gateway in front of other providers: routing, caching, budgets and traces are configured there.

It speaks OpenAI's API for every provider. See https://portkey.ai/docs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import Field, SecretStr, field_validator

from shared.ports import Parts
from shared.settings import EnvironmentSettings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

PROVIDERS = MappingProxyType({"openai": "openai", "google_genai": "google"})
"""Our name of a provider to Portkey's."""
DEFAULT_MODELS = MappingProxyType({"openai": "gpt-5-mini", "google_genai": "gemini-flash-latest", "": "gpt-5-mini"})


class PortkeySettings(EnvironmentSettings):
    """How to reach the gateway, and the keys of the providers behind it where the gateway does not keep them."""

    api_key: SecretStr = Field(SecretStr(""), alias="PORTKEY_API_KEY", description="Portkey's key.")
    base_url: str = Field(
        "",
        alias="PORTKEY_BASE_URL",
        pattern=r"^(https?://\S+)?$",
        description="The address of a gateway of one's own, such as http://localhost:8787/v1.",
    )
    config: str = Field("", alias="PORTKEY_CONFIG", description="The routing config: its id, or the JSON itself.")
    openai_key: SecretStr = Field(SecretStr(""), alias="OPENAI_API_KEY", description="OpenAI's key.")
    google_key: SecretStr = Field(SecretStr(""), alias="GOOGLE_API_KEY", description="The key of Google's Gemini API.")

    @field_validator("config")
    @classmethod
    def _is_an_id_or_json(cls, value: str) -> str:
        if value.lstrip().startswith(("{", "[")) and not isinstance(_decoded(value), dict):
            raise ValueError("the config is neither an id nor a JSON object")
        return value


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return None


class PortkeyProvider:
    """Makes chat models behind the gateway: `openai:NAME`, `google_genai:NAME`, or a NAME of Portkey's own catalogue."""

    def __init__(self, *, settings: PortkeySettings, seconds: float) -> None:
        """`seconds` is the time-out of a request."""
        self._settings = settings
        self._seconds = seconds

    def configured(self) -> bool:
        """True with Portkey's key or the address of a gateway."""
        return bool(self._settings.api_key.get_secret_value() or self._settings.base_url)

    def chat_model(self, *, name: str) -> BaseChatModel:
        """The model of that name. Loading the libraries takes some four seconds: call it off the event loop."""
        from langchain_openai import ChatOpenAI
        from portkey_ai import PORTKEY_GATEWAY_URL, createHeaders

        provider, model = self._split(name)
        settings = self._settings
        key = {"openai": settings.openai_key, "google_genai": settings.google_key}.get(provider, SecretStr(""))
        make_headers: Callable[..., dict[str, str]] = createHeaders
        headers = make_headers(
            api_key=settings.api_key.get_secret_value(),
            provider=PROVIDERS.get(provider, ""),
            config=_decoded(settings.config) or settings.config,
        )
        return ChatOpenAI(
            model=model,
            # The client insists on a key, also where the gateway keeps the provider's.
            api_key=key if key.get_secret_value() else SecretStr("none"),
            base_url=settings.base_url or PORTKEY_GATEWAY_URL,
            default_headers=headers,
            timeout=self._seconds,
            max_retries=0,
            use_responses_api=False,
        )

    @staticmethod
    def _split(name: str) -> tuple[str, str]:
        provider, colon, model = name.partition(":")
        if not colon or provider not in PROVIDERS:
            provider, model = "", name
        return provider, model or DEFAULT_MODELS[provider]


def build(parts: Parts) -> PortkeyProvider:
    """Make the provider. Raises SettingError."""
    return PortkeyProvider(
        settings=PortkeySettings.from_environ(parts.environ), seconds=parts.settings.turn_seconds / 2
    )
