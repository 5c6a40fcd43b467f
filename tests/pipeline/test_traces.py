"""One message is one trace, from the webhook to the reply, across queues, processes, and a run that asks; and what is never in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import pytest

from shared.telemetry import kept
from tests.fakes import telegram_updates as updates
from tests.fakes.collector import Collector, collecting
from tests.fakes.spans import Seen, names, of_event, orphans, roots
from tests.pipeline.deployment import Deployment, until

ROLES = ("http", "intake", "turns", "deliveries", "durable", "sweeper", "dead_letters", "background", "schedules")
CANARY = "zanzibar-the-words-of-a-person"
LOCAL = {"PRAXOS_TELEMETRY": "local"}
BEGUN = {"webhook", "intake", "turn"}


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as made:
        yield made


def otlp(collector: Collector) -> dict[str, str]:
    """The standard variables that send everything to a collector, soon."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
    }


def kept_of(deployment: Deployment, event: str) -> list[Seen]:
    """The spans that the data folder has of the traces of an event, and of those that are linked with them."""
    return [
        Seen(
            one.trace, one.id, one.parent, one.name, one.kind, {**one.attributes, "praxos.event": one.event}, one.links
        )
        for one in kept.of_events(deployment.home / kept.FILE, [event])
    ]


def event_of(update: dict[str, object]) -> str:
    return f"main:telegram:{updates.BOT_ID}:{update['update_id']}"


async def traced(deployment: Deployment, event: str, *, with_: str, count: int = 1) -> list[Seen]:
    """Wait until so many spans of a name are kept of an event's own trace, and what they belong to; return that trace.

    A span is written half a second after its end, a child before its parent: for a moment any trace has orphans.
    """

    def own() -> list[Seen]:
        return of_event(kept_of(deployment, event), event)

    await until(
        lambda: sum(one.name == with_ for one in own()) >= count and not orphans(own()),
        what=lambda: f"{count} of {with_!r} in the trace of {event}: {names(own())}, of them orphans: {orphans(own())}",
    )
    return own()


def whole(spans: Sequence[Seen]) -> None:
    """Assert that it is one trace: one beginning, and every parent is there."""
    assert len({one.trace for one in spans}) == 1
    assert roots(spans) == ["webhook"]
    assert orphans(spans) == []


# --- one trace ------------------------------------------------------------------------------------------------


async def test_a_message_is_one_trace_from_the_webhook_to_the_reply(deployment: Deployment) -> None:
    await deployment.start(**LOCAL)
    event = event_of(await deployment.say("what time is it in Berlin?"))
    spans = await traced(deployment, event, with_="delivery")
    whole(spans)
    assert names(spans) == sorted(
        {*BEGUN, "chat demo", "execute_tool current_time", "delivery", "POST sendMessage", *status_calls(spans)}
    )
    assert all(one.attributes["praxos.event"] in (event, "") for one in spans)


def status_calls(spans: Sequence[Seen]) -> set[str]:
    """Whether the person saw what was being done depends on how long it took."""
    return {
        one.name for one in spans if one.name in ("POST sendChatAction", "POST editMessageText", "POST deleteMessage")
    }


async def test_a_run_that_asks_is_one_trace_and_the_answer_is_linked_with_it(deployment: Deployment) -> None:
    await deployment.start(**LOCAL)
    await deployment.say("remember that my cat is called Tom")
    await deployment.heard("Tom")
    event = event_of(await deployment.say("forget everything"))
    await deployment.press(await deployment.button("Approve"))
    await deployment.heard("Everything is forgotten")
    spans = await traced(deployment, event, with_="delivery", count=2)
    whole(spans)
    assert {*BEGUN, "question", "answer", "run segment", "execute_tool forget"} <= set(names(spans))
    [answer] = [one for one in spans if one.name == "answer"]
    others = [one for one in kept_of(deployment, event) if one.trace != answer.trace]
    assert [link[3:35] for link in answer.links] == [one.trace for one in others if one.name == "intake"]
    whole(others)


async def test_it_is_one_trace_across_processes_that_die_between_question_and_answer(deployment: Deployment) -> None:
    for role in ROLES:
        await deployment.start("--role", role, **LOCAL)
    await deployment.say("remember that my cat is called Tom")
    await deployment.heard("Tom")
    event = event_of(await deployment.say("forget everything"))
    approve = await deployment.button("Approve")
    await traced(deployment, event, with_="delivery")
    await deployment.kill()
    for role in ROLES:
        await deployment.start("--role", role, **LOCAL)
    await deployment.press(approve)
    await deployment.heard("Everything is forgotten")
    spans = await traced(deployment, event, with_="delivery", count=2)
    whole(spans)
    assert {*BEGUN, "question", "answer", "run segment"} <= set(names(spans))
    path = deployment.home / kept.FILE
    processes = {one.process for one in kept.of_traces(path, [spans[0].trace])}
    assert len(processes) >= 6, "http, intake twice, turns, durable, deliveries twice"


async def test_a_trace_from_outside_is_linked_and_never_gone_on_with(deployment: Deployment) -> None:
    await deployment.start(**LOCAL)
    theirs = "c1" * 16
    made = deployment.update("hello")
    headers = {
        "X-Telegram-Bot-Api-Secret-Token": updates.SECRET,
        "traceparent": f"00-{theirs}-{'d2' * 8}-00",
        "tracestate": "vendor=evil",
        "baggage": "user=admin",
    }
    async with deployment.http.post(f"{deployment.url}/api/webhooks/telegram", headers=headers, json=made) as answer:
        assert answer.status == 200
    spans = await traced(deployment, event_of(made), with_="delivery")
    whole(spans)
    assert spans[0].trace != theirs
    [webhook] = [one for one in spans if one.name == "webhook"]
    assert [link[3:35] for link in webhook.links] == [theirs]
    assert all("evil" not in json.dumps(one) for one in deployment.documents("entry"))


async def test_what_could_not_be_handled_and_a_reminder_have_traces_of_their_own(deployment: Deployment) -> None:
    await deployment.start(**LOCAL)
    await deployment.say("remind me in 1 second to call Ann")

    def reminded() -> list[Seen]:
        entries = [one["event"] for one in deployment.documents("entry")]
        return [span for one in entries if one["kind"] == "reminder" for span in kept_of(deployment, one["id"])]

    await until(
        lambda: "delivery" in names(reminded()) and not orphans(reminded()), what=lambda: f"{names(reminded())}"
    )
    assert roots(reminded()) == ["schedule"]
    deployment.telegram.fault(
        "refuse", status=400, method="sendMessage", description="Bad Request: message is too odd", times=1
    )
    event = event_of(await deployment.say("hello"))
    spans = await traced(deployment, event, with_="dead letter")
    whole(spans)
    [refused] = [one for one in spans if one.name == "delivery" and one.attributes.get("error.type")]
    assert refused.attributes["error.type"] == "ApiRefused"


# --- where it is sent -----------------------------------------------------------------------------------------


async def test_a_collector_gets_spans_metrics_and_logs_by_otlp(deployment: Deployment, collector: Collector) -> None:
    await deployment.start(**otlp(collector), PRAXOS_LOG_LEVEL="INFO")
    event = event_of(await deployment.say("what time is it in Berlin?"))
    await until(
        lambda: {"turn", "delivery"} <= set(names(of_event(collector.spans, event))),
        what=lambda: names(collector.spans),
    )
    whole(of_event(collector.spans, event))
    assert collector.services == {"praxos"}
    wanted = {
        "praxos.message.duration",
        "praxos.delivery.duration",
        "praxos.tool.calls",
        "gen_ai.client.operation.duration",
    }
    await until(lambda: wanted <= set(collector.metrics), what=lambda: f"{sorted(collector.metrics)}")
    [calls] = collector.metrics["praxos.tool.calls"]
    assert calls == {"gen_ai.tool.name": "current_time", "praxos.outcome": "done", "value": 1}
    assert collector.metrics["praxos.message.duration"][0]["count"] == 1
    deployment.telegram.fault(
        "refuse", status=400, method="sendMessage", description="Bad Request: message is too odd", times=1
    )
    failing = event_of(await deployment.say("hello"))
    await until(lambda: any(one["body"] == "dead letter" for one in collector.logs), what=lambda: f"{collector.logs}")
    [line] = [one for one in collector.logs if one["body"] == "dead letter"]
    await until(lambda: of_event(collector.spans, failing), what=lambda: names(collector.spans))
    assert line["trace"] == of_event(collector.spans, failing)[0].trace
    assert line["tenant"] == "main"
    assert line["event"] == failing
    assert line["conversation"].endswith(":7")


async def test_azure_monitor_gets_them_by_its_connection_string(deployment: Deployment, collector: Collector) -> None:
    await deployment.start(
        APPLICATIONINSIGHTS_CONNECTION_STRING=(
            f"InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint={collector.url}/"
        ),
        # What the library tells Microsoft of itself, and asks there, leaves this machine.
        APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL="true",
        APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED="true",
        OTEL_METRIC_EXPORT_INTERVAL="500",
    )
    event = event_of(await deployment.say("what time is it in Berlin?"))

    def found(kind: str) -> list[dict[str, object]]:
        return [one for one in collector.envelopes if one["data"]["baseType"] == kind]

    def of_it(kind: str) -> dict[str, dict[str, object]]:
        return {one["data"]["baseData"]["name"]: one for one in found(kind) if "name" in one["data"]["baseData"]}

    await until(
        lambda: {"webhook", "intake", "turn", "delivery"} <= set(of_it("RequestData")),
        what=lambda: f"{of_it('RequestData')}",
    )
    await until(lambda: "chat demo" in of_it("RemoteDependencyData"), what=lambda: f"{of_it('RemoteDependencyData')}")
    stages = of_it("RequestData")
    operations = {one["tags"]["ai.operation.id"] for one in stages.values()}
    assert len(operations) == 1, "one trace is one operation"
    assert stages["turn"]["data"]["baseData"]["properties"]["praxos.event"] == event
    assert of_it("RemoteDependencyData")["execute_tool current_time"]["tags"]["ai.operation.id"] in operations
    await until(lambda: found("MetricData"), what=lambda: "metrics")


# --- what is never in it --------------------------------------------------------------------------------------


async def test_neither_what_people_wrote_nor_a_secret_is_in_any_span_metric_or_log(
    deployment: Deployment, collector: Collector
) -> None:
    """Through everything: a reply, tools, a question, a steered run, refusals, a bug's dead letter, an unreadable update."""
    secret, token = "zebra-secret-of-the-webhook", f"{updates.BOT_ID}:zebra-token-of-the-bot-AAAAAAAAAAAAA"
    deployment.settings |= {"TELEGRAM_WEBHOOK_SECRET": secret, "TELEGRAM_BOT_TOKEN": token}
    await deployment.start(**otlp(collector), **LOCAL, PRAXOS_LOG_LEVEL="DEBUG", PRAXOS_CLAIM_CODE="zebra-claim-code")

    async def say(text: str) -> str:
        made = deployment.update(text)
        assert await deployment.post(made, secret=secret) == 200
        return event_of(made)

    await say(f"remember that my cat is called {CANARY}")
    await deployment.heard(CANARY)
    await say(f"/claim {CANARY}")
    await say("/claim zebra-claim-code")
    await say(f"read https://{CANARY}.example/{CANARY}?q={CANARY}")
    await say(f"what is 1/0 + {CANARY}")
    await say("forget everything")
    await deployment.button("Approve")
    await say(f"no, because {CANARY}")
    await until(
        lambda: (
            {one["state"] for kind in ("run", "part") for one in deployment.documents(kind)} == {"finished", "sent"}
        ),
        what=lambda: "all is said before the platform refuses something",
    )
    deployment.telegram.fault(
        "refuse", status=400, method="sendMessage", description=f"Bad Request: {CANARY} is too odd", times=1
    )
    last = await say(f"hello {CANARY}")
    assert await deployment.post(f'{{"update_id": 9, "message": "{CANARY}"}}'.encode(), secret=secret) == 200
    assert await deployment.post(b"{}", secret="zebra-wrong-secret") == 401
    await until(
        lambda: "dead letter" in names(of_event(collector.spans, last)),
        what=lambda: names(of_event(collector.spans, last)),
    )
    await until(lambda: "praxos.errors" in collector.metrics, what=lambda: f"{sorted(collector.metrics)}")
    await until(lambda: any("dead letter" in one["body"] for one in collector.logs), what=lambda: f"{collector.logs}")
    await until(
        lambda: "dead letter" in names(kept_of(deployment, last)), what=lambda: names(kept_of(deployment, last))
    )
    await deployment.end()
    everything = {
        "what the collector got": b"".join(collector.bodies),
        "the log": deployment.log.read_bytes(),
        "the file of spans": b"".join(path.read_bytes() for path in deployment.home.glob(f"{kept.FILE}*")),
    }
    assert all(len(content) > 1000 for content in everything.values()), "there is something to look at"
    for where, content in everything.items():
        assert last.encode() in content, f"{where} is about what was said"
        for word in (CANARY, "zebra", "Person 7"):
            assert word.encode() not in content, f"{word!r} is in {where}"
