"""What messages cost on Azure's services: requests to Cosmos DB and their charge, sends to Service Bus, secrets read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import telegram
from benchmarks.azure_deployment import AzureDeployment, deployed
from benchmarks.processes import NotStarted
from benchmarks.report import Figure, Target, at_most

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
    try:
        async with telegram.BotApi() as bot_api, deployed(bot_api.url) as praxos:
            await praxos.say("good morning")
            costs = {name: [await _cost(praxos, texts) for _ in range(rounds)] for name, texts in EXCHANGES.items()}
    except NotStarted as why:
        print(f"  not measured: {why}")
        return []
    for name, found in costs.items():
        print(f"  {name}: {_in_words(found[-1])}")
    return _figures(costs)


async def _cost(praxos: AzureDeployment, texts: Sequence[str]) -> Cost:
    before, sends, secrets = praxos.requests.kinds.copy(), praxos.sends, praxos.secrets
    units, charged = praxos.requests.units, praxos.requests.charged
    for text in texts:
        await praxos.say(text)
    return Cost(
        requests=praxos.requests.kinds - before,
        sends=praxos.sends - sends,
        secrets=praxos.secrets - secrets,
        units=praxos.requests.units - units if praxos.requests.charged > charged else None,
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
