"""What must hold in the end, when nothing is left to do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from shared.conversation.partition import entry_id, run_id
from shared.conversation.records import RECORD
from shared.messages import EventKind, InboundEvent
from shared.ports import Partition
from tests.property.agent import DO, DONE, NOT_DONE
from tests.property.town import Town

Body = dict[str, Any]
MAY_HAPPEN = ("stopped", "failed")
"""How a run ends that did not say what it did."""


def complaints(town: Town) -> list[str]:
    """Everything that is not as promised; empty when all is well."""
    found = [*town.outside.wrong]
    if town.post.letters or town.post.instances:
        found.append(f"left: {town.post.letters} {town.post.instances}")
    found += [
        f"{process.name} still works on {[one.what for one in process.gate]}, {process.held}"
        for process in town.processes
        if process.gate or process.tasks
    ]
    for partition in town.shelves.partitions:
        documents = {id: kept.body for id, kept in town.shelves.live(partition).items()}
        if RECORD in documents:
            found += [f"{partition.key}: {one}" for one in _conversation(town, partition, documents)]
    return found


def _conversation(town: Town, partition: Partition, documents: dict[str, Body]) -> Iterator[str]:
    yield from _left(documents)
    said = [one for one in town.events if one.conversation == partition.key]
    taken = Counter(event for body in documents.values() if body["kind"] == "run" for event in body.get("taken", ()))
    for one in said:
        yield from _event(one, documents, taken)
    entries = [documents[entry_id(one.id)] for one in said if entry_id(one.id) in documents]
    places = [entry["n"] for entry in entries if not entry["letter"]]  # what was replayed has a later number
    if places != sorted(places):
        yield f"the events entered in the order {places}"
    for body in documents.values():
        if body["kind"] == "run":
            yield from _run(town, body, documents)
    yield from _order(documents)


def _left(documents: dict[str, Body]) -> Iterator[str]:
    """Nothing is held, nothing is due at any time, nothing is open."""
    for id, body in documents.items():
        if body.get("lease", {}).get("until"):
            yield f"the lease of the {id} is held"
        if body.get("wake_at"):
            yield f"{id} is still to be woken at {body['wake_at']}"
        if body["kind"] == "part" and body["state"] != "sent":
            yield f"part {body['n']} is {body['state']}"
        if body["kind"] == "question" and body["state"] == "open":
            yield f"the question {body['text']} is open"


def _event(event: InboundEvent, documents: dict[str, Body], taken: Counter[str]) -> Iterator[str]:
    """It has an entry, that one has an end, and there is one turn for it at most."""
    entry, run = documents.get(entry_id(event.id)), documents.get(run_id(event.id))
    if entry is None:
        yield f"{event.id} is not in the mailbox"
        return
    if entry["state"] not in ("consumed", "stopped", "dead"):
        yield f"{event.id} is {entry['state']}"
    if taken[event.id] > 1:
        yield f"{event.id} was taken in {taken[event.id]} times"
    if run and run["state"] not in ("finished", "stopped", "failed"):
        yield f"the run of {event.id} is {run['state']}"
    if run and taken[event.id] and run["state"] != "stopped":
        yield f"{event.id} was taken in, and had a turn"
    asks_for_a_turn = event.kind is EventKind.MESSAGE and event.text.startswith(DO)
    if asks_for_a_turn and entry["state"] == "consumed" and not run and not taken[event.id]:
        yield f"{event.id} is consumed, and nobody worked on it"


def _run(town: Town, run: Body, documents: dict[str, Body]) -> Iterator[str]:
    """A finished run has said once what it did, and that is what happened."""
    event = run["event"]
    effects = [body for body in documents.values() if body["kind"] == "effect" and body["run"] == event]
    replies = [body for body in documents.values() if body["kind"] == "part" and body["message"] == f"{event}:reply"]
    if run["state"] != "finished":
        if replies:
            yield f"the run {event} is {run['state']}, and has a reply"
        return
    if len(replies) != 1:
        yield f"the run {event} has {len(replies)} replies"
        return
    sent = Counter(repeat for key, _, repeat in town.outside.sent if key == replies[0]["key"])
    if not sent[False] + sent[True]:
        yield f"the reply to {event} was never sent"
    text = replies[0]["payload"]["text"]
    if not text.startswith("{"):
        return  # the person wanted it dropped
    unknown = [one["state"] for one in effects if one["state"] in ("started", "uncertain")]
    if unknown:
        yield f"the run {event} is finished, and effects are {unknown}"
    said = json.loads(text.split("\n\n")[0])
    missing = {event, *run.get("taken", ())} - set(said["of"])
    if missing:
        yield f"the reply to {event} knows nothing of {missing}"
    for name, result in said["log"]:
        happened = town.outside.happened[name]
        late = town.outside.allowed[name] or name in town.outside.looked_for
        if (result == NOT_DONE and happened and not late) or (result == DONE and _changes(town, name) and not happened):
            yield f"the person was told that {name} is {result}, and it happened {happened} times"


def _changes(town: Town, name: str) -> bool:
    event, _, place = name.rpartition(".")
    text = next(one.text for one in town.events if one.id == event)
    return text.removeprefix(DO)[int(place)] in "wua"


def _order(documents: dict[str, Body]) -> Iterator[str]:
    """Turns that were never handed over, nor replayed, were finished in the order of their entries."""
    replayed = {body["event"]["id"] for body in documents.values() if body["kind"] == "entry" and body["letter"]}
    runs = [
        body
        for body in documents.values()
        if body["kind"] == "run" and body.get("owner", "turn") == "turn" and body["event"] not in replayed
    ]
    ended = sorted((one for one in runs if one["state"] == "finished"), key=lambda one: one["entry"])
    times = [one["finished_at"] for one in ended]
    if times != sorted(times):
        yield f"turns ended in the order {times}"
