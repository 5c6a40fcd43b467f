"""An identity for tests: its token is what the test says."""

from __future__ import annotations

from typing import Any

from azure.core.credentials import AccessToken, AccessTokenInfo


class StaticCredential:
    """An identity that always has the same token."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.closed = False

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(self.token, 4_000_000_000)

    async def get_token_info(self, *scopes: str, **options: Any) -> AccessTokenInfo:
        return AccessTokenInfo(self.token, 4_000_000_000)

    async def close(self) -> None:
        self.closed = True

    async def __aenter__(self) -> StaticCredential:
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.close()
