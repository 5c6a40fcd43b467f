"""The extension's HTTP management API, as far as the client's methods that this host implements go.

Routes, status codes and bodies are those of `HttpApiHandler` in azure-functions-durable-extension.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from local.durable.events import NAMES, Event, EventType
from local.durable.records import Gone, Instance
from local.durable.storage import DurableStorage
from shared import telemetry
from shared.messages import Conflict, Refused, TooLarge
from shared.steps import Step

_REFUSED_OPERATIONS = frozenset({"rewind", "restart", "suspend", "resume"})
_HIDDEN = {EventType.ORCHESTRATOR_STARTED, EventType.ORCHESTRATOR_COMPLETED}
_OUTPUTS = ("Input", "Result")

_log = telemetry.logger("local.durable")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, below the API's prefix."""

    method: str
    path: str
    query: Mapping[str, str]
    body: str
    json: bool
    """Whether its content type is application/json."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: a status and a JSON body, or none."""

    status: int
    body: Any = None


class Management:
    """Answers calls from the file."""

    def __init__(self, storage: DurableStorage) -> None:
        self._storage = storage

    async def answer(self, call: Call) -> Answer:
        """Answer one call. Raises QueueUnavailable."""
        segments = [unquote(each) for each in call.path.strip("/").split("/")]
        try:
            return await self._route(call, segments)
        except Conflict as error:
            return Answer(409, {"Message": str(error)})
        except Refused as error:
            return _bad(str(error))
        except TooLarge as error:
            return Answer(413, {"Message": str(error)})

    async def _route(self, call: Call, segments: list[str]) -> Answer:
        match (call.method, *segments):
            case ("POST", "orchestrators", name):
                return await self._start(call, name, uuid4().hex)
            case ("POST", "orchestrators", name, *rest):
                # What is left behind another slash cannot be an id, and is refused as one.
                return await self._start(call, name, "/".join(rest))
            case ("POST", "instances", id, "raiseEvent", name):
                return await self._raise_event(call, id, name)
            case ("GET", "instances", id):
                return self._status(call, id)
            case ("DELETE", "instances", id):
                return await self._purge(id)
            case ("POST", "instances", id, "terminate"):
                return await self._terminate(call, id)
        return _not_here(call, segments)

    async def _start(self, call: Call, name: str, id: str) -> Answer:
        if call.body and not _is_json(call.body):
            return _bad("Invalid JSON content")
        await self._storage.start(
            step=Step.DURABLE_START, name=name, id=id, input=call.body or None, version=call.query.get("version")
        )
        return Answer(202, {"id": id})

    async def _raise_event(self, call: Call, id: str, name: str) -> Answer:
        known = self._storage.instance(id=id)
        if known is None or known.status.final:
            return Answer(410 if known else 404)
        if not call.json:
            return _bad("Only application/json request content is supported")
        if not _is_json(call.body):
            return _bad("Invalid JSON content")
        gone = await self._storage.raise_event(step=Step.DURABLE_EVENT, id=id, name=name, data=call.body)
        return _reached(gone)

    async def _terminate(self, call: Call, id: str) -> Answer:
        reason = json.dumps(call.query["reason"]) if "reason" in call.query else None
        return _reached(await self._storage.terminate(step=Step.DURABLE_EVENT, id=id, reason=reason))

    async def _purge(self, id: str) -> Answer:
        status = await self._storage.purge(step=Step.DURABLE_EVENT, id=id)
        if status is None:
            return Answer(404)
        if not status.final:
            return Answer(
                412,
                "Only orchestrations in a terminal state can be purged, but the orchestration with instance ID "
                f"{id} has status {status}",
            )
        return Answer(200, {"instancesDeleted": 1})

    def _status(self, call: Call, id: str) -> Answer:
        found = self._storage.instance(id=id)
        if found is None:
            return Answer(404)
        shown = _shown(found, show_input=call.query.get("showInput", "true").lower() != "false")
        if call.query.get("showHistory", "").lower() == "true":
            outputs = call.query.get("showHistoryOutput", "").lower() == "true"
            shown["historyEvents"] = _shown_history(self._storage.history(id=id), outputs=outputs)
        return Answer(200 if found.status.final else 202, shown)


def _shown(instance: Instance, *, show_input: bool) -> dict[str, Any]:
    def value(text: str | None) -> Any:
        return None if text is None else json.loads(text)

    return {
        "name": instance.name,
        "instanceId": instance.id,
        "runtimeStatus": str(instance.status),
        "input": value(instance.input) if show_input else None,
        "customStatus": value(instance.custom_status),
        "output": value(instance.output),
        "createdTime": _second(instance.created),
        "lastUpdatedTime": _second(instance.updated),
        "historyEvents": None,
    }


def _second(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _shown_history(history: list[Event], *, outputs: bool) -> list[dict[str, Any]]:
    """The history as callers see it: types by name, without the episodes' bounds, payloads only where asked for."""
    return [
        {
            name: NAMES[EventType(value)] if name == "EventType" else value
            for name, value in event.items()
            if outputs or name not in _OUTPUTS
        }
        for event in history
        if event["EventType"] not in _HIDDEN
    ]


def _reached(gone: Gone | None) -> Answer:
    return Answer({None: 202, Gone.UNKNOWN: 404, Gone.FINISHED: 410}[gone])


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _bad(message: str) -> Answer:
    """The client reads one name of the two, people the other."""
    return Answer(400, {"Message": message, "ExceptionMessage": message})


def _not_here(call: Call, segments: list[str]) -> Answer:
    match segments:
        case ["entities", *_]:
            return _refusal("entities (signal_entity, read_entity_state)")
        case ["instances", _, operation] if operation in _REFUSED_OPERATIONS:
            return _refusal(f"{operation} of an orchestration")
        case ["instances"]:
            return _refusal("lists of instances (get_status_all, get_status_by, purge_instance_history_by)")
        case _:
            return Answer(404, {"Message": f"{call.method} {call.path} is nothing that this host serves."})


def _refusal(what: str) -> Answer:
    """The client tells its caller no more than the status in most cases, so the log says it too."""
    message = f"the local host does not implement {what}"
    _log.error("%s", message)
    return Answer(501, message)
