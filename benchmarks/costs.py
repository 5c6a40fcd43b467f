"""What messages cost on Azure's services: requests to Cosmos DB and their charge, sends to Service Bus, secrets read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import telegram
from benchmarks.cosmos_requests import CosmosRequests
from benchmarks.processes import folder
from benchmarks.report import Figure, Target, at_most
from shared.topology import QUEUES
from tests.fakes.artemis import Artemis, missing
from tests.fakes.azure_deployment import AzureDeployment, deployed

STORE_BUDGET = 12
SEND_BUDGET = 4
"""Of a plain turn, from the webhook to the record that its reply was sent. A batch counts once."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What was asked of the services for one exchange."""

    requests: Counter[str]
    sends: int
    secrets: int
    units: float | None
    """Request units; None where the server names none."""


PLAIN = "a plain turn"
EXCHANGES = {
    PLAIN: ("hello",),
    "a turn with a read": ("what time is it in Berlin?",),
    "a turn with a write": ("remember that my cat is called Tom",),
    "a question and its answer": ("forget everything", "yes"),
}


async def measure(rounds: int) -> list[Figure]:
    """Each exchange so often, after one that warms up. Without Java there is no AMQP server, and no figure."""
    if why := missing():
        print(f"  not measured: {why}")
        return []
    artemis = await asyncio.to_thread(Artemis, list(QUEUES))
    try:
        costs = await _costs(artemis, rounds)
    finally:
        artemis.stop()
    for name, found in costs.items():
        print(f"  {name}: {_in_words(found[-1])}")
    return _figures(costs)


async def _costs(artemis: Artemis, rounds: int) -> dict[str, list[Cost]]:
    settings = {"TELEGRAM_BOT_TOKEN": telegram.TOKEN, "TELEGRAM_WEBHOOK_SECRET": telegram.SECRET}
    async with (
        telegram.BotApi() as bot_api,
        folder() as home,
        deployed(home, artemis=artemis, TELEGRAM_API_BASE=bot_api.url, **settings) as praxos,
    ):
        requests = await CosmosRequests.of(praxos.app)
        await _cost(praxos, requests, ["good morning"])
        return {
            name: [await _cost(praxos, requests, texts) for _ in range(rounds)] for name, texts in EXCHANGES.items()
        }


async def _cost(praxos: AzureDeployment, requests: CosmosRequests, texts: Sequence[str]) -> Cost:
    before, sends, secrets = requests.kinds.copy(), praxos.sends, praxos.secrets
    units, charged = requests.units, requests.charged
    headers = {name.lower(): value for name, value in telegram.HEADERS.items()}
    for text in texts:
        await praxos.post(telegram.update(0, text), headers)
    return Cost(
        requests=requests.kinds - before,
        sends=praxos.sends - sends,
        secrets=praxos.secrets - secrets,
        units=requests.units - units if requests.charged > charged else None,
    )


def _in_words(cost: Cost) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in cost.requests.most_common())
    units = "no charge named by this server" if cost.units is None else f"{cost.units:.1f} RU"
    return (
        f"{cost.requests.total()} requests to Cosmos DB ({kinds}), {units}; {cost.sends} sends; {cost.secrets} secrets"
    )


def _figures(costs: dict[str, list[Cost]]) -> list[Figure]:
    figures: list[Figure] = []
    plain = costs[PLAIN]
    for name, found in costs.items():
        target = at_most(1) if name == PLAIN else None
        figures += [
            _figure(f"{name}: store operations", [one.requests.total() for one in found], STORE_BUDGET, target),
            _figure(f"{name}: sends", [one.sends for one in found], SEND_BUDGET, target),
        ]
    figures.append(_figure("secrets read in a turn", [one.secrets for one in plain], 1, at_most(1)))
    if all(one.units is not None for one in plain):
        units = [one.units or 0.0 for one in plain]
        figures.append(Figure(f"{PLAIN}: request units", "RU", tuple(units), tuple(units), "no budget", None))
    return figures


def _figure(name: str, ours: Sequence[float], budget: float, target: Target | None) -> Figure:
    allowed = "allowed" if target else "a plain turn's budget"
    return Figure(name, "", tuple(ours), (budget,) * len(ours), allowed, target)
