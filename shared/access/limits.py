"""What people may do. Everybody may do everything: budgets and flags have no rules yet."""

from __future__ import annotations


class NoLimits:
    """The Limits port of a deployment without rules."""

    async def refusal(self, *, user: str, action: str) -> str | None:
        """Nothing is refused."""
        return None
