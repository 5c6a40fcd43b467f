"""`python -m tests.functions.worker_report SPECS`: what Azure's worker makes of the app, as JSON on the last line.

It runs in a process of its own, because a worker indexes one app once. It walks a message through the stages with one
invocation after the other, as the host would: PRAXOS_HOME names an empty folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from shared import app
from shared.steps import Step
from shared.topology import INBOUND, TURNS
from tests.functions.azure_worker import AzureWorker, WorkerFailure

ROOT = Path(__file__).resolve().parents[2]
UPDATE = {
    "update_id": 1,
    "message": {
        "message_id": 1,
        "date": 1_700_000_000,
        "chat": {"id": 5, "type": "private", "first_name": "Ada"},
        "from": {"id": 5, "is_bot": False, "first_name": "Ada"},
        "text": "hello worker",
    },
}


REFERENCE = '{"tenant":"main","conversation":"main:telegram:123456789:5","run":"main:telegram:123456789:nobody"}'
HISTORY = {
    "instanceId": "run:1",
    "isReplaying": False,
    "parentInstanceId": None,
    "input": json.dumps(REFERENCE),
    "upperSchemaVersion": 2,
    "longRunningTimerIntervalDuration": "3.00:00:00",
    "maximumShortTimerDuration": "6.00:00:00",
    "defaultHttpAsyncRequestSleepTimeMillseconds": 30000,
    "history": [
        {"EventType": 12, "EventId": -1, "IsPlayed": False, "Timestamp": "2026-01-01T00:00:00.000000Z"},
        {
            "EventType": 0,
            "EventId": -1,
            "IsPlayed": False,
            "Timestamp": "2026-01-01T00:00:00.000000Z",
            "Name": "run",
            "Version": None,
            "Input": json.dumps(REFERENCE),
        },
    ],
}
"""What an orchestrator is given in its first episode."""
CLIENT = json.dumps(
    {
        "taskHubName": "praxos",
        "creationUrls": {"createNewInstancePostUri": "http://127.0.0.1:9/orchestrators/{functionName}[/{instanceId}]"},
        "managementUrls": {},
        "rpcBaseUrl": "http://127.0.0.1:9/durabletask/",
        "baseUrl": "http://127.0.0.1:9/durabletask",
    }
)
"""What a function that takes a Durable client is given; nothing listens there."""


async def webhook(worker: AzureWorker, secret: str) -> dict[str, Any]:
    """Deliver the update with that secret."""
    return await worker.http(
        "webhooks",
        method="POST",
        url="https://praxos.example/api/webhooks/telegram",
        params={"channel": "telegram"},
        headers={"content-type": "application/json", "x-telegram-bot-api-secret-token": secret},
        body=json.dumps(UPDATE).encode(),
    )


async def intake(worker: AzureWorker) -> str:
    """Receive what the webhook queued, as the host's session listener does; return the session."""
    broker = app.current().broker
    session = await broker.accept_session(queue=INBOUND)
    assert session
    (message,) = await broker.receive_session(queue=INBOUND, session=session, limit=10)
    await worker.message(
        "intake",
        message.body,
        MessageId=message.id,
        SessionId=session,
        DeliveryCount=message.delivery_count,
        SequenceNumber=message.sequence_number,
        LockToken=message.lock_token,
        EnqueuedTimeUtc=message.enqueued_at.isoformat(),
        ContentType="application/json",
    )
    await broker.complete(step=Step.SETTLE_INBOUND, message=message)
    return session


async def turn(worker: AzureWorker) -> None:
    """Answer the bell that intake rang."""
    broker = app.current().broker
    (bell,) = await broker.receive(queue=TURNS, limit=10)
    await worker.message("turns", bell.body, client=CLIENT, MessageId=bell.id, DeliveryCount=1)
    await broker.complete(step=Step.SETTLE_TURNS, message=bell)


async def report(specs: Path) -> dict[str, Any]:
    """Index the app, invoke one function of each kind, and tell."""
    worker = AzureWorker(specs=specs, app=ROOT)
    functions = await worker.index()
    told: dict[str, Any] = {"functions": functions}
    told["live"] = await worker.http("health_live", method="GET", url="https://praxos.example/api/health/live")
    told["ready"] = await worker.http("health_ready", method="GET", url="https://praxos.example/api/health/ready")
    told["forged"] = await webhook(worker, "wrong")
    told["genuine"] = await webhook(worker, os.environ["TELEGRAM_WEBHOOK_SECRET"])
    told["session"] = await intake(worker)
    await turn(worker)
    told["outbound"] = [
        message.body.decode() for message in await app.current().broker.receive(queue="outbound", limit=10)
    ]
    for timer in ("schedules", "sweeper"):
        await worker.timer(timer)
    try:
        await worker.message("turns", b"not a bell", client=CLIENT, MessageId="1")
    except WorkerFailure as failure:
        told["raised"] = str(failure)
    told["orchestration"] = await worker.orchestration("run", HISTORY)
    told["activity"] = await worker.activity("run_step", "reference", REFERENCE)
    await app.current().close()
    return told


if __name__ == "__main__":
    print(json.dumps(asyncio.run(report(Path(sys.argv[1])))))
