"""What leads to a question from outside its conversation: the pointer behind its buttons, a person's list of open ones."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from shared import ids
from shared.conversation.records import Record
from shared.messages import Conflict
from shared.ports import Create, Delete, Partition, Put, Store
from shared.steps import Step

POINTER = "pointer"
MOST_OPEN = 50
"""How many questions of one person are looked at, the newest first."""
BUTTON = "q:"
"""What the value of a question's button begins with; its token and the choice follow."""


class QuestionPointer(Record):
    """From the token of a question's buttons to the question. The question itself says whether it is still open."""

    kind: Literal["question_pointer"] = "question_pointer"
    conversation: str
    question: str
    """The id of its document."""
    ttl: int


class OpenQuestion(Record):
    """One line of a person's list of open questions. It may be behind: the question itself says how it stands."""

    kind: Literal["open_question"] = "open_question"
    n: int
    """Milliseconds since 1970, so that the newest come first."""
    conversation: str
    question: str
    ttl: int


class Told(Record):
    """A mark that something was said in a conversation: whoever comes again finds it."""

    kind: Literal["told"] = "told"
    ttl: int


def told_id(name: str) -> str:
    """The id of the mark that a message of that name is in the outbox."""
    return ids.document("told", name)


def _open_id(*, conversation: str, question: str) -> str:
    return ids.document("open_question", f"{conversation}/{question}")


def _token_partition(*, tenant: str, token: str) -> Partition:
    return Partition(tenant, ids.partition(f"{BUTTON}{token}"))


async def point(
    store: Store, *, tenant: str, token: str, user: str, conversation: str, question: str, at: datetime, ttl: int
) -> None:
    """Write both ways to a question, before it is written itself. Safe to do again, each time with a new token."""
    pointer = QuestionPointer(conversation=conversation, question=question, ttl=ttl)
    await store.batch(
        step=Step.POINT_QUESTION,
        partition=_token_partition(tenant=tenant, token=token),
        operations=[Create(POINTER, pointer.model_dump(mode="json"))],
    )
    line = OpenQuestion(n=int(at.timestamp() * 1000), conversation=conversation, question=question, ttl=ttl)
    name = _open_id(conversation=conversation, question=question)
    await store.batch(
        step=Step.POINT_QUESTION,
        partition=Partition(tenant, user),
        operations=[Put(name, line.model_dump(mode="json"))],
    )


async def pointed(store: Store, *, tenant: str, token: str) -> QuestionPointer | None:
    """Where a button's token leads."""
    document = await store.read(partition=_token_partition(tenant=tenant, token=token), id=POINTER)
    return QuestionPointer.model_validate(document.body) if document else None


async def open_questions(store: Store, *, tenant: str, user: str) -> list[OpenQuestion]:
    """A person's list, the newest first."""
    found = await store.query(partition=Partition(tenant, user), kind="open_question", descending=True, limit=MOST_OPEN)
    return [OpenQuestion.model_validate(document.body) for document in found]


async def take_off(store: Store, *, tenant: str, user: str, conversation: str, question: str) -> None:
    """Take a question that is settled off a person's list. The list may be behind, so nobody minds when this fails."""
    partition, name = Partition(tenant, user), _open_id(conversation=conversation, question=question)
    document = await store.read(partition=partition, id=name)
    if document is None:
        return
    try:
        await store.batch(step=Step.POINT_QUESTION, partition=partition, operations=[Delete(name, document.etag)])
    except Conflict:
        return


async def move_open(store: Store, *, tenant: str, source: str, target: str) -> None:
    """Put one user's open questions on the list of another. Safe to do again after a crash."""
    for line in await open_questions(store, tenant=tenant, user=source):
        name = _open_id(conversation=line.conversation, question=line.question)
        await store.batch(
            step=Step.POINT_QUESTION,
            partition=Partition(tenant, target),
            operations=[Put(name, line.model_dump(mode="json"))],
        )
        await take_off(store, tenant=tenant, user=source, conversation=line.conversation, question=line.question)
