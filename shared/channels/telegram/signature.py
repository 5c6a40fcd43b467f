"""The proof that a webhook comes from Telegram: the secret that `setWebhook` was given, in a header."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from pydantic import SecretStr

from shared.messages import Unverified

HEADER = "x-telegram-bot-api-secret-token"


def verify(headers: Mapping[str, str], *, secret: SecretStr) -> None:
    """Compare in constant time. Raises Unverified.

    The secret is static and covers neither body nor time: what keeps a replay out is the update's id.
    """
    given = headers.get(HEADER)
    if given is None:
        raise Unverified("the header X-Telegram-Bot-Api-Secret-Token is missing")
    # As bytes: `compare_digest` refuses strings that are not ASCII.
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), secret.get_secret_value().encode()):
        raise Unverified("the header X-Telegram-Bot-Api-Secret-Token does not match")
