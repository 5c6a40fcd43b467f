"""What the Telegram channel is set to."""

# No annotations from the future: pydantic would compile each from its text, at every start.
import re

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from shared.settings import EnvironmentSettings

_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,200}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_BASE = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._~/-]*)?")
_USERNAME = re.compile(r"@?[A-Za-z0-9_]{3,32}")


class TelegramSettings(EnvironmentSettings):
    """The bot, and how to reach the Bot API."""

    token: SecretStr = Field(alias="TELEGRAM_BOT_TOKEN", description="The bot's token, from @BotFather.")
    secret: SecretStr = Field(
        alias="TELEGRAM_WEBHOOK_SECRET",
        description="What Telegram proves itself with: 1 to 256 characters of A-Z a-z 0-9 _ -.",
    )
    username: str = Field(
        "",
        alias="TELEGRAM_BOT_USERNAME",
        description="The bot's @name, for mentions in groups; empty: any @name that ends in `bot`.",
    )
    api_base: str = Field(
        "https://api.telegram.org", alias="TELEGRAM_API_BASE", description="Where the Bot API is, without the token."
    )
    timeout_seconds: float = Field(
        20, alias="TELEGRAM_TIMEOUT_SECONDS", gt=0, le=120, description="How long one call to Telegram may take."
    )
    max_connections: int = Field(
        40,
        alias="TELEGRAM_MAX_CONNECTIONS",
        ge=1,
        le=100,
        description="How many updates Telegram may deliver at a time; `channels setup` tells it.",
    )

    @field_validator("token")
    @classmethod
    def _is_a_token(cls, value: SecretStr) -> SecretStr:
        if not _TOKEN.fullmatch(value.get_secret_value()):
            raise PydanticCustomError("token", "a bot token looks like 123456789:AAE-abc_def, as @BotFather gives it")
        return value

    @field_validator("secret")
    @classmethod
    def _is_a_secret(cls, value: SecretStr) -> SecretStr:
        if not _SECRET.fullmatch(value.get_secret_value()):
            raise PydanticCustomError("secret", "Telegram takes 1 to 256 characters of A-Z a-z 0-9 _ and -")
        return value

    @field_validator("username")
    @classmethod
    def _is_a_username(cls, value: str) -> str:
        if value and not _USERNAME.fullmatch(value):
            raise PydanticCustomError("username", "a bot's name looks like @praxos_bot")
        return value.removeprefix("@")

    @field_validator("api_base")
    @classmethod
    def _is_a_base(cls, value: str) -> str:
        if not _BASE.fullmatch(value):
            raise PydanticCustomError("base", "it has to be an address such as https://api.telegram.org")
        return value.rstrip("/")

    @property
    def account(self) -> str:
        """The bot's id: the digits before the colon of its token."""
        return self.token.get_secret_value().partition(":")[0]
