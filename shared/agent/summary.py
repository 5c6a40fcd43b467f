"""The running summary of what was said before the messages that a model is given."""

from __future__ import annotations

from collections.abc import Sequence

from shared.agent import prompt
from shared.agent.models import Models
from shared.agent.turn import Said


async def summarise(*, models: Models, summary: str, said: Sequence[Said]) -> str:
    """The summary that replaces `summary` and the messages that were said after it."""
    reply = await models.call(messages=prompt.to_summarise(summary=summary, said=said))
    return reply.message.text.strip() or summary
