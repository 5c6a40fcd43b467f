"""SIGKILL just before and just after every durable step, inside a platform's call, and at random moments."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections import Counter

import pytest
import pytest_asyncio

from shared.conversation.states import EffectState
from shared.pipeline import words
from shared.pipeline.segments import MOST_STARTS
from shared.steps import Step
from tests.crash import truth
from tests.crash.host import DEADLY, LOOKED_UP
from tests.crash.nursery import Nursery
from tests.crash.people import PLAIN
from tests.crash.points import Moment, Plan, counts
from tests.crash.report import Report
from tests.crash.stage import Stage
from tests.crash.waiting import NotInTime, until
from tests.fakes.telegram import FakeTelegram

pytestmark = pytest.mark.asyncio(loop_scope="session")

REACH_SECONDS = 60
ROUNDS = 6
RANDOM_KILLS = 11
"""For each of the two tests that kill at random moments."""
TIMED = frozenset({Step.RENEW_LEASE, Step.RELEASE_TURN, Step.MARK_BELL, Step.RING_AGAIN, Step.SHOW_PROGRESS})
"""How often these are taken depends on the machine's speed; once is certain."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def rehearsal(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Counter[Step]:
    """How often one round takes each step, and the proof that it takes every one."""
    async with FakeTelegram() as telegram:
        stage = Stage(tmp_path_factory.mktemp("rehearsal") / "home", nursery, telegram)
        await stage.open()
        try:
            await stage.start()
            await stage.people.round()
            await stage.settle()
            assert await stage.complaints() == []
            return counts(stage.steps())
        finally:
            await stage.close()


async def test_a_round_takes_every_step(rehearsal: Counter[Step]) -> None:
    assert [step for step in Step if not rehearsal[step]] == []


@pytest.mark.parametrize("step", list(Step))
async def test_killed_before_and_after(
    step: Step, stage: Stage, rehearsal: Counter[Step], report: Report, seed: int
) -> None:
    chance = random.Random(f"{seed} {step}")
    rows = []
    for moment in (Moment.BEFORE, Moment.AFTER):
        n = 1 if step in TIMED else chance.randint(1, max(1, rehearsal[step] // 3))
        row = report.aim(step, moment, n)
        rows.append(row)
        host = await stage.start(plan=Plan(step, moment, n), ready=False)
        await stage.people.round()
        assert await host.end(seconds=REACH_SECONDS) == -signal.SIGKILL, host.err.read_text()
        row.reached = True
    await stage.start()
    await stage.settle()
    complaints = await stage.complaints()
    for row in rows:
        row.result = "as promised" if not complaints else complaints[0]
    assert complaints == []


async def test_killed_when_the_platform_has_taken_it_and_before_we_hear(stage: Stage, report: Report) -> None:
    """The platform holds its response; the text goes out again and says so."""
    row = report.aim(Step.CALL_PLATFORM, Moment.INSIDE, 1)
    chat = PLAIN[4]
    stage.telegram.fault("hold", method="sendMessage", chat=chat, times=1)
    host = await stage.start()
    await stage.people.round()
    await until(lambda: stage.telegram.waiting, seconds=REACH_SECONDS, what="the platform holds an answer")
    host.signal(signal.SIGKILL)
    await host.end()
    row.reached = True
    stage.telegram.release()
    await stage.start()
    await stage.settle()
    complaints = await stage.complaints()
    row.result = "as promised" if not complaints else complaints[0]
    assert complaints == []
    first, second = [call.parameters["text"] for call in stage.telegram.sent(chat)][:2]
    assert second.startswith(first), "the text that was taken without our hearing of it went out again"
    assert second.endswith("(This may be a repeat.)")


@pytest.mark.parametrize(
    ("answer", "posts", "state"),
    [("drop", 1, EffectState.DROPPED), ("repeat", 2, EffectState.DONE), ("check", 1, EffectState.DONE)],
)
async def test_killed_when_a_webhook_has_taken_a_post_and_before_we_hear(
    answer: str, posts: int, state: EffectState, stage: Stage, report: Report
) -> None:
    """The webhook holds its answer: nobody knows whether it was posted, the person is asked, and what they say is done."""
    row = report.aim(f"{Step.CALL_TOOL} ({answer})", Moment.INSIDE, 1)
    stage.set(PRAXOS_QUESTION_HOURS="1")
    chat, text, receiver = PLAIN[0], "once, please", stage.webhooks.holding
    host = await stage.start("--can-look")
    stage.traffic.say(chat, f'post "{text}" to {receiver.url}')
    await until(lambda: stage.webhooks.posted(text), seconds=REACH_SECONDS, what="the post is there")
    host.signal(signal.SIGKILL)
    await host.end()
    row.reached = True
    receiver.release()
    (stage.signs / LOOKED_UP).write_text(f"{text}\n")
    await stage.start("--can-look")
    await stage.press(chat, answer)
    await stage.settle()
    complaints = await stage.complaints()
    row.result = f"asked, and done as they said: posted {posts} times" if not complaints else complaints[0]
    assert complaints == []
    assert len(stage.webhooks.posted(text)) == posts
    [effect] = (await stage.documents(chat)).effects
    assert effect.state is state


@pytest.mark.parametrize("step", list(Step))
async def test_killed_before_and_after_with_every_scale_group_in_its_own_process(
    step: Step, stage: Stage, report: Report
) -> None:
    plans = [Plan(step, moment) for moment in (Moment.BEFORE, Moment.AFTER)]
    rows = [report.aim(f"{step} (split)", plan.moment, 1) for plan in plans]
    await stage.start_split(*plans)
    for plan, row in zip(plans, rows, strict=True):
        await _write_until_carried_out(stage, plan)
        row.reached = True
    await stage.settle()
    complaints = await stage.complaints()
    for row in rows:
        row.result = "as promised" if not complaints else complaints[0]
    assert complaints == []


async def _write_until_carried_out(stage: Stage, plan: Plan) -> None:
    """What happens once in a round may happen to the twin that still lives through the plan before."""
    for _ in range(ROUNDS):
        await stage.people.round()
        with contextlib.suppress(NotInTime):
            await until(lambda: stage.carried_out(plan), seconds=REACH_SECONDS / ROUNDS, what=str(plan))
            return
    pytest.fail(f"no kill reached {plan} in {ROUNDS} rounds")


@pytest.mark.parametrize("half", [1, 2])
async def test_killed_at_random_moments(half: int, stage: Stage, report: Report, seed: int) -> None:
    chance = random.Random(f"{seed} {half}")
    for n in range(1, RANDOM_KILLS + 1):
        row = report.aim(f"random {half}", "", n)
        host = await stage.start(ready=False)
        if n == 1:
            await host.ready()
        await stage.people.round()
        pause = chance.uniform(0.05, 2.5)
        await asyncio.sleep(pause)  # the moment itself is what is random
        host.signal(signal.SIGKILL)
        assert await host.end() == -signal.SIGKILL
        row.reached, row.result = True, f"after {pause:.2f} s"
    await stage.start()
    await stage.settle(seconds=150)
    assert await stage.complaints() == []


async def test_a_message_that_kills_every_process_is_put_aside(stage: Stage, report: Report) -> None:
    row = report.aim("a deadly message", "", MOST_STARTS)
    chat = PLAIN[0]
    stage.traffic.say(chat, f"{DEADLY} text")
    stage.traffic.say(chat, "and then")
    for _ in range(MOST_STARTS):
        host = await stage.start(ready=False)
        assert await host.end(seconds=REACH_SECONDS) == -signal.SIGKILL, host.err.read_text()
    row.reached = True
    await stage.start()
    await stage.settle()
    assert await stage.complaints() == []
    [letter] = await stage.dead_letters()
    assert f"begun {MOST_STARTS} times" in letter.reason
    told, answered = sorted(truth.texts(stage.telegram, chat))
    assert (told, truth.echoed(answered)) == (words.COULD_NOT, "and then")
    row.result = "a dead letter, the person was told, the next message was answered"
