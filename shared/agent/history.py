"""What was said before, as messages for a model; and when the older part becomes a summary."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from shared.agent.turn import Role, Said

BEGUN_EARLIER = "(The conversation began earlier.)"
UNANSWERED = "(I did not answer that.)"


def messages(history: Sequence[Said]) -> list[BaseMessage]:
    """The history as messages that alternate, begin with the person and end with the assistant.

    Some models' chat templates refuse anything else, so neighbours are joined and gaps filled.
    """
    turns: list[Said] = []
    for said in history:
        if not said.text.strip():
            continue
        if turns and turns[-1].role is said.role:
            turns[-1] = Said(role=said.role, text=f"{turns[-1].text}\n\n{said.text}")
        else:
            turns.append(said)
    if turns and turns[0].role is Role.ASSISTANT:
        turns.insert(0, Said(role=Role.PERSON, text=BEGUN_EARLIER))
    if turns and turns[-1].role is Role.PERSON:
        turns.append(Said(role=Role.ASSISTANT, text=UNANSWERED))
    return [HumanMessage(said.text) if said.role is Role.PERSON else AIMessage(said.text) for said in turns]


def transcript(said: Sequence[Said]) -> str:
    """The messages as text, one paragraph each, for a model to summarise."""
    return "\n\n".join(f"{one.role.value.capitalize()}: {one.text}" for one in said if one.text.strip())
