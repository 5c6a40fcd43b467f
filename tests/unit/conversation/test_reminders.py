"""Reminders: one per key, changed by etag, moved on when they fired, across the days when the clocks change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from shared.conversation.records import KEEP_FINISHED
from shared.conversation.reminders import (
    MOST_OPEN,
    RING,
    ReminderRecord,
    ReminderState,
    UserReminders,
    advance,
    move_reminders,
)
from shared.messages import Address
from shared.ports import Document, Operation, Partition, Reminder, Replace, Store, ToolError
from shared.steps import Step
from tests.fakes.clock import START, ManualClock
from tests.fakes.tools import ADDRESS, sqlite_store

HOUR = timedelta(hours=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    found = sqlite_store(tmp_path)
    yield found
    await found.close()


def of(store: Store, user: str = "user", *, zone: str = "Europe/Berlin", address: Address = ADDRESS) -> UserReminders:
    return UserReminders(store=store, clock=ManualClock(), tenant="main", user=user, address=address, time_zone=zone)


async def stored(store: Store, reminder: Reminder, user: str = "user") -> Document:
    document = await store.read(partition=Partition("main", user), id=f"reminder:{reminder.id}")
    assert document is not None
    return document


async def record(store: Store, reminder: Reminder, user: str = "user") -> ReminderRecord:
    return ReminderRecord.model_validate((await stored(store, reminder, user)).body)


async def due(store: Store, now: datetime) -> Sequence[Document]:
    return (await store.due(now=now, rings=(RING,))).documents


async def test_a_reminder_is_kept_with_all_that_firing_needs(store: Store) -> None:
    at = START + HOUR + timedelta(microseconds=5)
    reminder = await of(store).set(key="call 1", text="tea", due_at=at, repeat="0 9 * * *")
    assert (reminder.text, reminder.due_at, reminder.repeat) == ("tea", START + HOUR, "0 9 * * *")
    found = await record(store, reminder)
    assert (found.tenant, found.user, found.address, found.time_zone) == ("main", "user", ADDRESS, "Europe/Berlin")
    assert (found.state, found.wake_at, found.ring, found.ttl) == (ReminderState.OPEN, START + HOUR, RING, None)
    assert len(reminder.id) <= 12, "people see it"


async def test_it_is_due_when_its_time_has_come(store: Store) -> None:
    reminder = await of(store).set(key="call 1", text="tea", due_at=START + HOUR)
    assert await due(store, START + HOUR - timedelta(seconds=1)) == ()
    assert [document.id for document in await due(store, START + HOUR)] == [f"reminder:{reminder.id}"]


async def test_the_same_key_gives_the_same_reminder(store: Store) -> None:
    first, second = await asyncio.gather(
        of(store).set(key="call 1", text="tea", due_at=START + HOUR),
        of(store).set(key="call 1", text="tea", due_at=START + HOUR),
    )
    assert first == second
    assert len(await of(store).list()) == 1
    await of(store).cancel(id=first.id)
    again = await of(store).set(key="call 1", text="tea", due_at=START + HOUR)
    assert again.id == first.id
    assert await of(store).list() == [], "a turn that is taken again brings no cancelled reminder back"


async def test_other_keys_and_other_users_are_other_reminders(store: Store) -> None:
    await of(store).set(key="call 1", text="tea", due_at=START + HOUR)
    await of(store).set(key="call 2", text="tea", due_at=START + HOUR)
    await of(store, "other").set(key="call 1", text="tea", due_at=START + HOUR)
    assert len(await of(store).list()) == 2
    assert len(await of(store, "other").list()) == 1


async def test_the_open_ones_are_listed_with_the_next_due_first(store: Store) -> None:
    mine = of(store)
    for hours in (3, 1, 2):
        await mine.set(key=f"call {hours}", text=str(hours), due_at=START + hours * HOUR)
    cancelled = await mine.set(key="call 0", text="cancelled", due_at=START + HOUR)
    await mine.cancel(id=cancelled.id)
    assert [reminder.text for reminder in await mine.list()] == ["1", "2", "3"]


async def test_a_user_has_only_so_many(store: Store) -> None:
    mine = of(store)
    for number in range(MOST_OPEN):
        last = await mine.set(key=f"call {number}", text="tea", due_at=START + HOUR)
    with pytest.raises(ToolError, match=str(MOST_OPEN)):
        await mine.set(key="one more", text="tea", due_at=START + HOUR)
    assert await mine.set(key=f"call {MOST_OPEN - 1}", text="tea", due_at=START + HOUR) == last
    await mine.cancel(id=last.id)
    await mine.set(key="one more", text="tea", due_at=START + HOUR)


async def test_what_is_given_is_changed(store: Store) -> None:
    mine = of(store)
    reminder = await mine.set(key="call 1", text="tea", due_at=START + HOUR, repeat="0 9 * * *")
    changed = await mine.change(id=reminder.id, text="coffee")
    assert (changed.text, changed.due_at, changed.repeat) == ("coffee", START + HOUR, "0 9 * * *")
    changed = await mine.change(id=reminder.id, due_at=START + 2 * HOUR)
    assert (changed.text, changed.due_at, changed.repeat) == ("coffee", START + 2 * HOUR, "0 9 * * *")
    assert await due(store, START + HOUR) == ()
    changed = await of(store, zone="Asia/Tokyo").change(id=reminder.id, repeat="0 8 * * *")
    assert (await record(store, changed)).time_zone == "Asia/Tokyo", "the zone in which the new repeat was meant"
    assert (await mine.change(id=reminder.id, repeat="")).repeat == ""


async def test_changes_at_the_same_time_all_count(store: Store) -> None:
    mine = of(store)
    reminder = await mine.set(key="call 1", text="tea", due_at=START + HOUR)
    await asyncio.gather(
        mine.change(id=reminder.id, text="coffee"),
        mine.change(id=reminder.id, due_at=START + 2 * HOUR),
        mine.change(id=reminder.id, repeat="0 9 * * *"),
    )
    [changed] = await mine.list()
    assert (changed.text, changed.due_at, changed.repeat) == ("coffee", START + 2 * HOUR, "0 9 * * *")


async def test_what_is_not_open_cannot_be_changed(store: Store) -> None:
    mine = of(store)
    reminder = await mine.set(key="call 1", text="tea", due_at=START + HOUR)
    await mine.cancel(id=reminder.id)
    for id in (reminder.id, "unknown", "../../x", ""):
        with pytest.raises(ToolError, match="no open reminder"):
            await mine.change(id=id, text="coffee")
        with pytest.raises(ToolError, match="no open reminder"):
            await mine.cancel(id=id)


async def test_a_cancelled_one_is_due_no_more_and_goes_in_a_month(store: Store) -> None:
    reminder = await of(store).set(key="call 1", text="tea", due_at=START + HOUR)
    await of(store).cancel(id=reminder.id)
    assert await due(store, START + 9 * HOUR) == ()
    body = (await stored(store, reminder)).body
    assert (body["state"], body["ttl"]) == ("cancelled", KEEP_FINISHED)
    assert not {"wake_at", "ring"} & set(body)


async def test_one_that_was_told_once_is_done(store: Store) -> None:
    reminder = await of(store).set(key="call 1", text="tea", due_at=START + HOUR)
    [document] = await due(store, START + HOUR)
    assert await advance(store, document, START + HOUR)
    body = (await stored(store, reminder)).body
    assert (body["state"], body["ttl"], body["count"]) == ("done", KEEP_FINISHED, 1)
    assert not {"wake_at", "ring"} & set(body)
    assert await due(store, START + 9 * HOUR) == ()
    assert await of(store).list() == []


async def test_a_repeating_one_is_due_again_and_times_that_were_missed_are_told_once(store: Store) -> None:
    reminder = await of(store, zone="UTC").set(key="call 1", text="tea", due_at=START + HOUR, repeat="0 * * * *")
    now = START + 5 * HOUR + timedelta(minutes=10)
    [document] = await due(store, now)
    assert await advance(store, document, now)
    found = await record(store, reminder)
    assert (found.due_at, found.wake_at, found.count, found.state) == (START + 6 * HOUR,) * 2 + (1, ReminderState.OPEN)
    assert await due(store, now) == ()


async def test_what_is_not_due_is_not_moved(store: Store) -> None:
    reminder = await of(store).set(key="call 1", text="tea", due_at=START + HOUR)
    document = await stored(store, reminder)
    assert not await advance(store, document, START)
    assert await stored(store, reminder) == document


async def test_a_change_that_came_in_between_is_kept(store: Store) -> None:
    mine = of(store)
    reminder = await mine.set(key="call 1", text="tea", due_at=START + HOUR)
    [document] = await due(store, START + HOUR)
    await mine.change(id=reminder.id, due_at=START + 3 * HOUR)
    assert not await advance(store, document, START + HOUR)
    assert [open_.due_at for open_ in await mine.list()] == [START + 3 * HOUR]
    [document] = await due(store, START + 3 * HOUR)
    await mine.cancel(id=reminder.id)
    assert not await advance(store, document, START + 3 * HOUR)
    assert (await record(store, reminder)).state is ReminderState.CANCELLED


async def test_two_that_fire_it_move_it_once(store: Store) -> None:
    reminder = await of(store, zone="UTC").set(key="call 1", text="tea", due_at=START + HOUR, repeat="0 * * * *")
    [document] = await due(store, START + HOUR)
    moved = await asyncio.gather(*(advance(store, document, START + HOUR) for _ in range(3)))
    assert sorted(moved) == [False, False, True]
    assert (await record(store, reminder)).count == 1


@pytest.mark.parametrize(
    ("zone", "start", "told"),
    [
        ("Europe/Berlin", "2026-03-27T12:00", ["28 02:30+0100", "29 03:00+0200", "30 02:30+0200"]),
        ("Europe/Berlin", "2026-10-23T12:00", ["24 02:30+0200", "25 02:30+0200", "26 02:30+0100"]),
        ("America/New_York", "2026-03-06T12:00", ["07 02:30-0500", "08 03:00-0400", "09 02:30-0400"]),
        ("America/New_York", "2026-10-30T12:00", ["31 02:30-0400", "01 02:30-0500", "02 02:30-0500"]),
    ],
)
async def test_a_daily_one_is_told_once_a_day_when_the_clocks_change(
    store: Store, zone: str, start: str, told: list[str]
) -> None:
    now = datetime.fromisoformat(start).replace(tzinfo=UTC)
    first = datetime.fromisoformat(start).replace(day=now.day + 1, hour=2, minute=30, tzinfo=ZoneInfo(zone))
    await of(store, zone=zone).set(key="call 1", text="tea", due_at=first, repeat="30 2 * * *")
    heard = []
    end = now + timedelta(days=3)
    while now < end:
        for document in await due(store, now):
            at = ReminderRecord.model_validate(document.body).due_at
            heard.append(at.astimezone(ZoneInfo(zone)).strftime("%d %H:%M%z"))
            assert await advance(store, document, now)
        now += timedelta(minutes=10)
    assert heard == told


async def test_linking_moves_what_is_open(store: Store) -> None:
    kept = await of(store, "target").set(key="call 1", text="kept", due_at=START + HOUR)
    moved = await of(store, "source").set(key="call 2", text="moved", due_at=START + 2 * HOUR, repeat="0 9 * * *")
    cancelled = await of(store, "source").set(key="call 3", text="cancelled", due_at=START + HOUR)
    await of(store, "source").cancel(id=cancelled.id)
    assert await move_reminders(store, tenant="main", source="source", target="target") == 1
    assert await of(store, "source").list() == []
    assert await of(store, "target").list() == [kept, moved]
    found = await record(store, moved, "target")
    assert (found.user, found.address, found.time_zone) == ("target", ADDRESS, "Europe/Berlin")
    assert len(await due(store, START + 9 * HOUR)) == 2
    assert await move_reminders(store, tenant="main", source="source", target="target") == 0


class Dying:
    """A store that is gone before its second write."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writes = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def batch(self, *, step: Step, partition: Partition, operations: Sequence[Operation]) -> Sequence[str]:
        self._writes += 1
        if self._writes == 2:
            raise ConnectionError("died")
        return await self._store.batch(step=step, partition=partition, operations=operations)


async def test_a_move_that_was_cut_off_is_completed_by_the_next(store: Store) -> None:
    moved = await of(store, "source").set(key="call 1", text="moved", due_at=START + HOUR)
    with pytest.raises(ConnectionError):
        await move_reminders(Dying(store), tenant="main", source="source", target="target")  # type: ignore[arg-type]  # delegates
    assert await of(store, "source").list() == await of(store, "target").list() == [moved]
    documents = await due(store, START + HOUR)
    assert len({document.id for document in documents}) == 1, "both fire one event, which the mailbox takes once"
    assert await move_reminders(store, tenant="main", source="source", target="target") == 1
    assert await of(store, "source").list() == []
    assert await of(store, "target").list() == [moved]


async def test_a_change_during_a_move_does_not_leave_two(store: Store) -> None:
    moved = await of(store, "source").set(key="call 1", text="moved", due_at=START + HOUR)
    changed = asyncio.Event()

    class Racing(Dying):
        async def batch(self, *, step: Step, partition: Partition, operations: Sequence[Operation]) -> Sequence[str]:
            if isinstance(operations[0], Replace) and not changed.is_set():
                changed.set()
                await of(store, "source").change(id=moved.id, text="changed")
            return await self._store.batch(step=step, partition=partition, operations=operations)

    await move_reminders(Racing(store), tenant="main", source="source", target="target")  # type: ignore[arg-type]  # delegates
    assert changed.is_set()
    assert await of(store, "source").list() == []
    assert len(await of(store, "target").list()) == 1


async def test_the_same_key_changes_and_cancels_once(store: Store) -> None:
    mine = of(store)
    reminder = await mine.set(key="call 1", text="tea", due_at=START + HOUR)
    await asyncio.gather(*[mine.change(id=reminder.id, text="coffee", key="call 2") for _ in range(3)])
    await mine.change(id=reminder.id, text="water", key="call 3")
    assert (await mine.change(id=reminder.id, text="coffee", key="call 2")).text == "water", "it was changed later"
    cancelled = [await mine.cancel(id=reminder.id, key="call 4") for _ in range(2)]
    assert cancelled[0] == cancelled[1]
    with pytest.raises(ToolError, match="no open reminder"):
        await mine.cancel(id=reminder.id, key="call 5")


async def test_what_a_call_did_can_be_asked_later(store: Store) -> None:
    mine = of(store)
    reminder = await mine.set(key="call 1", text="tea", due_at=START + HOUR)
    await mine.change(id=reminder.id, text="coffee", key="call 2")
    await mine.cancel(id=reminder.id, key="call 3")
    for key in ("call 1", "call 2", "call 3"):
        found = await mine.done(key=key)
        assert found is not None
        assert (found.id, found.text) == (reminder.id, "coffee")
    assert await mine.done(key="call 4") is None
    assert await of(store, "other").done(key="call 2") is None
