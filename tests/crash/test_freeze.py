"""A process is frozen for longer than its lease, another one takes over, and the first one wakes up too late.

Every scale group runs in a process of its own. The one that is frozen works alone until it is; then its twin starts.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence

import pytest

from local.roles import DURABLE, ROLES
from shared.channels.telegram.parts import REPEAT
from shared.conversation.partition import ConversationPartition
from shared.conversation.states import EffectState, EntryState, PartState, RunState
from shared.steps import Step
from tests.crash import truth
from tests.crash.host import SLOWLY
from tests.crash.nursery import Host
from tests.crash.people import PLAIN
from tests.crash.points import Act, Moment, Plan
from tests.crash.report import Report
from tests.crash.stage import Stage
from tests.crash.traffic import conversation
from tests.crash.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHAT = PLAIN[0]
TEXT = "once, please"
SECONDS = 30


class Frozen:
    """One conversation, one process that is frozen in the midst of it, and its twin."""

    def __init__(self, stage: Stage, role: str) -> None:
        self.stage = stage
        self.role = role
        self.store = truth.open_store(stage.home)
        self.partition = ConversationPartition(store=self.store, tenant="main", conversation=conversation(CHAT))
        self.first: Host

    async def start(self, plan: Plan | None = None, text: str = TEXT, *, options: Sequence[str] = ()) -> None:
        """Everything but the twin; then somebody writes."""
        for role in ROLES:
            argv = ("--role", role, *options)
            host = await self.stage.start(*argv, plan=plan if role == self.role else None, ready=False)
            if role == self.role:
                self.first = host
        for host in self.stage.hosts:
            await host.ready()
        self.stage.traffic.say(CHAT, text)

    async def freeze(self) -> int:
        """Wait until it is frozen; return the epoch of its lease."""
        await until(lambda: self.first.frozen, seconds=SECONDS, what="the first process is frozen")
        return await self.epoch()

    async def epoch(self) -> int:
        if self.role in ("turns", DURABLE):
            head = await self.partition.record()
            return head.record.lease.epoch if head else 0
        return (await self.partition.outbox()).record.lease.epoch

    async def take_over(self) -> None:
        """The twin starts, finds the lease expired, and does the work."""
        await self.stage.start("--role", self.role)
        await until(self._answered, seconds=SECONDS, what="the second process answers")

    async def _answered(self) -> bool:
        parts = await self.partition.parts(after=0, limit=10)
        return bool(parts) and all(part.record.state is PartState.SENT for part in parts)

    async def wake(self) -> None:
        """Let go of the first process and wait until it has understood."""
        self.first.signal(signal.SIGCONT)
        await until(self._refused, seconds=SECONDS, what="the late process is refused")

    def _refused(self) -> bool:
        return "ended: the lease on" in self.first.err.read_text()

    def refused_writes(self) -> set[Step]:
        """The steps that the first process tried and that the store refused."""
        steps = self.stage.steps()
        return {one.step for one in steps if one.pid == self.first.pid and one.moment is Moment.FAILED}

    async def close(self) -> None:
        await self.store.close()


async def test_frozen_when_the_turn_was_taken(stage: Stage, report: Report) -> None:
    refused = await _frozen_turn(stage, report, Plan(Step.TAKE_TURN, Moment.AFTER, act=Act.FREEZE))
    assert Step.FINISH_TURN not in refused, "it looks before it takes a step, and does not even try to end the turn"


async def test_frozen_while_the_turn_works(stage: Stage, report: Report) -> None:
    refused = await _frozen_turn(
        stage, report, Plan(Step.RENEW_LEASE, Moment.AFTER, act=Act.FREEZE), f"{SLOWLY} 1.2 {TEXT}"
    )
    assert Step.FINISH_TURN not in refused, "it noticed while it worked, and did not even try to end the turn"


async def test_frozen_just_before_the_turns_last_write(stage: Stage, report: Report) -> None:
    refused = await _frozen_turn(stage, report, Plan(Step.FINISH_TURN, Moment.BEFORE, act=Act.FREEZE))
    assert Step.FINISH_TURN in refused, "the late write came through"


async def _frozen_turn(stage: Stage, report: Report, plan: Plan, text: str = TEXT) -> set[Step]:
    row = report.aim(f"{plan.step} (frozen)", plan.moment, 1)
    frozen = Frozen(stage, "turns")
    await frozen.start(plan, text)
    epoch = await frozen.freeze()
    row.reached = True
    await frozen.take_over()
    assert await frozen.epoch() > epoch
    await frozen.wake()
    await stage.settle()
    kept = await truth.documents(frozen.store, CHAT)
    await frozen.close()
    assert [entry.state for entry in kept.entries] == [EntryState.CONSUMED]
    assert len(kept.runs) == 1
    assert [truth.echoed(said) for said in truth.texts(stage.telegram, CHAT)] == [text]
    ends = [one for one in stage.steps() if one.step is Step.FINISH_TURN and one.moment is Moment.AFTER]
    assert frozen.first.pid not in [one.pid for one in ends], "the late process ended the turn"
    row.result = "one turn, one reply; the late process was refused"
    return frozen.refused_writes()


async def test_frozen_just_before_a_send(stage: Stage, report: Report) -> None:
    row = report.aim(f"{Step.TAKE_PART} (frozen)", Moment.AFTER, 1)
    frozen = Frozen(stage, "deliveries")
    await frozen.start(Plan(Step.TAKE_PART, Moment.AFTER, act=Act.FREEZE))
    epoch = await frozen.freeze()
    row.reached = True
    await frozen.take_over()
    assert await frozen.epoch() > epoch
    await frozen.wake()
    await stage.settle()
    await frozen.close()
    assert [truth.echoed(text) for text in truth.texts(stage.telegram, CHAT)] == [TEXT]
    calls = [one for one in stage.steps() if one.pid == frozen.first.pid and one.step is Step.CALL_PLATFORM]
    assert calls == [], "it sent although its lease had run out"
    row.result = "one reply: the late process looked at its clock and sent nothing"


async def test_frozen_inside_a_send(stage: Stage, report: Report) -> None:
    """The platform has taken the part and holds its answer; the second send says that it may be a repeat."""
    row = report.aim(f"{Step.CALL_PLATFORM} (frozen)", Moment.INSIDE, 1)
    stage.telegram.fault("hold", method="sendMessage", chat=CHAT, times=1)
    frozen = Frozen(stage, "deliveries")
    await frozen.start()
    await until(lambda: stage.telegram.waiting, seconds=SECONDS, what="the platform holds an answer")
    frozen.first.signal(signal.SIGSTOP)
    epoch = await frozen.freeze()
    row.reached = True
    await frozen.take_over()
    assert await frozen.epoch() > epoch
    stage.telegram.release()
    await frozen.wake()
    await stage.settle()
    [part] = (await truth.documents(frozen.store, CHAT)).parts
    await frozen.close()
    first, second = stage.telegram.sent(CHAT)
    assert [truth.echoed(call.parameters["text"]) for call in (first, second)] == [TEXT, TEXT]
    assert not first.parameters["text"].endswith(REPEAT)
    assert second.parameters["text"].endswith(REPEAT)
    assert part.provider_id == str(second.message_id), "the late process overwrote what came of the second send"
    assert frozen.refused_writes(), "nothing that the late process wrote was refused"
    row.result = "two sends, the second says so; the late write was refused"


class FrozenSegment(Frozen):
    """A run that an orchestration goes on with: a post that somebody approved. Its process is frozen, and its twin goes on."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage, DURABLE)
        self.options = ("--lock-seconds", "1")
        stage.set(PRAXOS_TOOLS_ASK="post_webhook", PRAXOS_QUESTION_HOURS="1")

    async def begin(self, url: str, plan: Plan | None = None) -> None:
        """Somebody wants a post, and approves it."""
        await self.start(plan, f'post "{TEXT}" to {url}', options=self.options)
        await self.stage.press(CHAT, "approve")

    async def take_over(self) -> None:
        """The twin starts, and takes the activity and the conversation's lease when both have run out."""
        before = await self.epoch()
        await self.stage.start("--role", DURABLE, *self.options)

        async def taken() -> bool:
            return await self.epoch() > before

        await until(taken, seconds=SECONDS, what="the second process takes the lease")

    async def end(self) -> truth.Documents:
        """Wait until all is quiet; one run, one reply, and nothing to complain of."""
        await self.stage.settle()
        assert await self.stage.complaints() == []
        kept = await truth.documents(self.store, CHAT)
        await self.close()
        assert [run.state for run in kept.runs] == [RunState.FINISHED]
        return kept

    def done_by_the_first(self) -> set[Step]:
        """The steps that the frozen process came to the end of."""
        steps = self.stage.steps()
        return {one.step for one in steps if one.pid == self.first.pid and one.moment is Moment.AFTER}


async def test_frozen_inside_a_call_of_a_segment(stage: Stage, report: Report) -> None:
    """The webhook has taken the post and holds its answer: it is asked about, once, and not posted again."""
    row = report.aim(f"{Step.CALL_TOOL} (frozen)", Moment.INSIDE, 1)
    frozen, receiver = FrozenSegment(stage), stage.webhooks.holding
    await frozen.begin(receiver.url)
    await until(lambda: stage.webhooks.posted(TEXT), seconds=SECONDS, what="the webhook holds its answer")
    frozen.first.signal(signal.SIGSTOP)
    await frozen.freeze()
    row.reached = True
    await frozen.take_over()
    receiver.release()
    await frozen.wake()
    assert Step.FINISH_EFFECT not in frozen.done_by_the_first(), "the late process wrote what came of the call"
    # Whichever of the two takes it up now: the person has said so.
    await stage.press(CHAT, "drop", nth=1)
    [effect] = (await frozen.end()).effects
    assert effect.state is EffectState.DROPPED, "what came back too late was written all the same"
    assert len(stage.webhooks.posted(TEXT)) == 1
    row.result = "one post, asked about, one reply; the late write was refused"


async def test_frozen_when_a_call_of_a_segment_is_about_to_leave(stage: Stage, report: Report) -> None:
    """It is written that the call leaves. Who wakes up too late looks at its clock and does not let it."""
    row = report.aim(f"{Step.START_EFFECT} (frozen)", Moment.AFTER, 1)
    frozen = FrozenSegment(stage)
    await frozen.begin(stage.webhooks.taking.url, Plan(Step.START_EFFECT, Moment.AFTER, act=Act.FREEZE))
    await frozen.freeze()
    row.reached = True
    await frozen.take_over()
    await frozen.wake()
    assert stage.webhooks.posted(TEXT) == [], "it posted although its lease had run out"
    assert Step.CALL_TOOL not in frozen.done_by_the_first()
    # Whichever of the two takes it up now: the person has said so.
    await stage.press(CHAT, "repeat", nth=1)
    [effect] = (await frozen.end()).effects
    assert (effect.state, effect.attempt) == (EffectState.DONE, 2)
    assert len(stage.webhooks.posted(TEXT)) == 1
    row.result = "nothing left the late process; one post, when the person said so"


async def test_frozen_before_a_call_of_a_segment_is_written_down(stage: Stage, report: Report) -> None:
    """The twin does everything; the late process cannot even write that its call leaves."""
    row = report.aim(f"{Step.START_EFFECT} (frozen)", Moment.BEFORE, 1)
    frozen = FrozenSegment(stage)
    await frozen.begin(stage.webhooks.taking.url, Plan(Step.START_EFFECT, Moment.BEFORE, act=Act.FREEZE))
    await frozen.freeze()
    row.reached = True
    await frozen.take_over()
    await until(lambda: stage.webhooks.posted(TEXT), seconds=SECONDS, what="the second process posts")
    await frozen.wake()
    [effect] = (await frozen.end()).effects
    assert (effect.state, effect.attempt) == (EffectState.DONE, 1)
    assert len(stage.webhooks.posted(TEXT)) == 1
    # It is refused, or cut off before by the renewal of the lease that was refused beside it.
    assert Step.START_EFFECT not in frozen.done_by_the_first(), "the late write came through"
    row.result = "one post, one reply; the late write was refused"


async def test_frozen_in_intake_with_its_session(stage: Stage, report: Report) -> None:
    """The session's lock runs out, the twin takes in what waits, and the first one goes on where it was."""
    row = report.aim(f"{Step.ARRIVE} (frozen)", Moment.BEFORE, 1)
    options = ("--lock-seconds", "1")
    first = await stage.start("--role", "intake", *options, plan=Plan(Step.ARRIVE, Moment.BEFORE, act=Act.FREEZE))
    for role in ROLES:
        if role != "intake":
            await stage.start("--role", role, *options)
    texts = [f"text {n}" for n in range(5)]
    for text in texts:
        stage.traffic.say(CHAT, text)
    await until(lambda: first.frozen, seconds=SECONDS, what="intake is frozen")
    row.reached = True
    await stage.start("--role", "intake", *options)
    await until(lambda: len(truth.texts(stage.telegram, CHAT)) == len(texts), seconds=SECONDS, what="the twin goes on")
    first.signal(signal.SIGCONT)
    await until(
        lambda: "its message comes again" in first.err.read_text(),
        seconds=SECONDS,
        what="it hears that its lock is lost",
    )
    await stage.settle()
    assert await stage.complaints() == []
    assert [truth.echoed(text) for text in truth.texts(stage.telegram, CHAT)] == texts
    refused = [one.step for one in stage.steps() if one.pid == first.pid and one.moment is Moment.FAILED]
    assert refused == [Step.ARRIVE, Step.SETTLE_INBOUND]
    row.result = "in order and once; the late entry and the late completion were refused"
