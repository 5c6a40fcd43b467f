"""Builds the function app from the blueprints of functions/, and does nothing else."""

from __future__ import annotations

import azure.durable_functions as df

from functions import (
    background,
    dead_letters,
    deliveries,
    health,
    intake,
    operations,
    runs,
    schedules,
    turns,
    web_chat,
    webhooks,
)

app = df.DFApp()

for stage in (
    webhooks,
    intake,
    turns,
    background,
    runs,
    deliveries,
    schedules,
    dead_letters,
    operations,
    web_chat,
    health,
):
    app.register_functions(stage.blueprint)
