"""Finding questions: behind a button, where a run waits in a conversation, on a person's list."""

from __future__ import annotations

from dataclasses import dataclass

from shared.access.people import People
from shared.access.records import User
from shared.conversation import questions
from shared.conversation.partition import ConversationPartition, Stored
from shared.conversation.records import ConversationRecord
from shared.conversation.run_records import QuestionRecord
from shared.conversation.states import QuestionState
from shared.messages import InboundEvent, StoreUnavailable
from shared.pipeline.rooms import Rooms
from shared.ports import Store
from shared.telemetry import logger

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A question, and the conversation whose run waits for it."""

    partition: ConversationPartition
    stored: Stored[QuestionRecord]

    @property
    def id(self) -> str:
        """The id of its document."""
        return self.stored.id

    @property
    def record(self) -> QuestionRecord:
        """The question as it was read."""
        return self.stored.record

    @property
    def open(self) -> bool:
        """True while it takes an answer."""
        return self.record.state is QuestionState.OPEN

    def answered_by(self, event: InboundEvent) -> bool:
        """Whether its answer came with this event, in an earlier delivery."""
        return self.record.answer is not None and self.record.answer.event == event.id

    async def again(self) -> Found | None:
        """The question as it is now."""
        stored = await self.partition.load(self.id, QuestionRecord)
        return Found(self.partition, stored) if stored else None


class OpenQuestions:
    """Finds questions."""

    def __init__(self, *, store: Store, rooms: Rooms, people: People) -> None:
        self._store = store
        self._rooms = rooms
        self._people = people

    async def behind(self, *, tenant: str, token: str) -> Found | None:
        """The question whose buttons carry a token."""
        pointer = await questions.pointed(self._store, tenant=tenant, token=token)
        if pointer is None:
            return None
        found = await self._load(tenant, pointer.conversation, pointer.question)
        # A crash between pointer and question leaves a token that no question has.
        return found if found and found.record.token == token else None

    async def waiting(self, partition: ConversationPartition, head: ConversationRecord) -> list[Found]:
        """The questions at which the conversation's runs wait and that were asked there, the oldest first."""
        names = [name for run in head.runs if run.waiting for name in run.asks]
        found = [await self._load(partition.tenant, partition.id, name) for name in names]
        return [one for one in found if one and one.record.routed is None]

    async def of(self, user: User, *, tenant: str) -> list[Found]:
        """The questions on a person's list, the newest first. Some may be settled."""
        lines = await questions.open_questions(self._store, tenant=tenant, user=user.id)
        found = [await self._load(tenant, line.conversation, line.question) for line in lines]
        for one in found:
            if one and one.record.state in (QuestionState.CLOSED, QuestionState.EXPIRED):
                await self.take_off(one, user=user.id)
        return [one for one in found if one and await self._people.belongs(user=user.id, other=one.record.user)]

    async def take_off(self, found: Found, *, user: str) -> None:
        """Take a question that is settled off a person's list. The list may be behind: nobody minds when this fails."""
        try:
            await questions.take_off(
                self._store,
                tenant=found.partition.tenant,
                user=user,
                conversation=found.partition.id,
                question=found.id,
            )
        except StoreUnavailable as error:
            log.info("a list of questions stays behind", extra={"fields": {"error": str(error)}})

    async def _load(self, tenant: str, conversation: str, question: str) -> Found | None:
        partition = self._rooms.partition(tenant=tenant, conversation=conversation)
        stored = await partition.load(question, QuestionRecord)
        return Found(partition, stored) if stored else None
