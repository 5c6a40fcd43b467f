"""What was said before, as messages for a model; and when the older part becomes a summary."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from shared.agent.turn import Role, Said

BEGUN_EARLIER = "(The conversation began earlier.)"
UNANSWERED = "(I did not answer that.)"
LONGEST_MESSAGE = 8_000
"""Characters: what a model sees of one earlier message."""
LONGEST_HISTORY = 80_000
"""Characters: what a model sees of all of them. The oldest go first."""


def messages(history: Sequence[Said]) -> list[BaseMessage]:
    """The history as messages that alternate, begin with the person and end with the assistant.

    Some models' chat templates refuse anything else, so neighbours are joined and gaps filled.
    """
    turns: list[Said] = []
    for said in _bounded(history):
        if turns and turns[-1].role is said.role:
            turns[-1] = Said(role=said.role, text=f"{turns[-1].text}\n\n{said.text}")
        else:
            turns.append(said)
    if turns and turns[0].role is Role.ASSISTANT:
        turns.insert(0, Said(role=Role.PERSON, text=BEGUN_EARLIER))
    if turns and turns[-1].role is Role.PERSON:
        turns.append(Said(role=Role.ASSISTANT, text=UNANSWERED))
    return [_message(said.role, said.text) for said in turns]


@lru_cache(maxsize=1024)
def _message(role: Role, text: str) -> BaseMessage:
    # Making one costs more than all else here, and the next turn wants the same ones.
    return HumanMessage(text) if role is Role.PERSON else AIMessage(text)


def transcript(said: Sequence[Said]) -> str:
    """The messages as text, one paragraph each, for a model to summarise."""
    return "\n\n".join(f"{one.role.value.capitalize()}: {one.text}" for one in _bounded(said))


def _bounded(history: Sequence[Said]) -> list[Said]:
    kept: list[Said] = []
    left = LONGEST_HISTORY
    for said in reversed(history):
        text = said.text.strip()
        if len(text) > LONGEST_MESSAGE:
            text = f"{text[:LONGEST_MESSAGE]} … (cut: {len(text) - LONGEST_MESSAGE} more characters)"
        left -= len(text)
        if left < 0:
            break
        if text:
            kept.append(said if text == said.text else Said(role=said.role, text=text))
    return kept[::-1]
