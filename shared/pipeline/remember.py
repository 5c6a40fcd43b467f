"""What a finished run adds to the conversation's history."""

from __future__ import annotations

from datetime import datetime

from shared.conversation.partition import Transaction
from shared.conversation.records import ConversationRecord, Entry, Message, MessageRole
from shared.messages import said

LONGEST_REMEMBERED = 16_000
"""Characters of one message that later turns see."""
MOST_TAKEN = 20
"""How many messages that came in meanwhile are remembered with a run's first."""


def remember(
    transaction: Transaction, record: ConversationRecord, entries: list[Entry], text: str, now: datetime
) -> list[Message]:
    """Add what the person said and what was answered; return both as the history has them."""
    event = entries[0].event
    lines = [said(entry.event) + _files(entry) for entry in entries[:MOST_TAKEN]]
    number, added = record.messages, []
    for role, words in ((MessageRole.PERSON, "\n\n".join(lines)), (MessageRole.ASSISTANT, text)):
        number += 1
        message = Message(
            n=number, generation=entries[0].generation, role=role, text=_shortened(words), event=event.id, at=now
        )
        transaction.create(f"message:{number}", message)
        added.append(message)
    return added


def asks_for_summary(record: ConversationRecord, *, history: int) -> bool:
    """True when twice the history's length was just passed, and after every further length, in case a bell was lost."""
    beyond = record.messages - record.summarised - 2 * history
    return beyond > 0 and (beyond - 1) % history < 2


def _files(entry: Entry) -> str:
    return "".join(f"\n[file: {attachment.name}]" for attachment in entry.event.attachments)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_REMEMBERED else text[:LONGEST_REMEMBERED] + " […]"
