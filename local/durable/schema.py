"""The tables of the Durable engine's file. Times are seconds since the epoch, payloads are JSON."""

from __future__ import annotations

VERSION = 1

SCHEMA = """
CREATE TABLE instances (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    input TEXT,
    output TEXT,
    custom_status TEXT,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    lock TEXT NOT NULL DEFAULT '',
    locked_until REAL NOT NULL DEFAULT 0,
    holder INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE history (
    instance INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (instance, sequence)
) WITHOUT ROWID;

CREATE TABLE inbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    instance INTEGER NOT NULL,
    due REAL NOT NULL,
    event TEXT NOT NULL,
    timer INTEGER,
    external INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX inbox_by_time ON inbox (due);
CREATE INDEX inbox_of_instance ON inbox (instance, due);

CREATE TABLE tasks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    instance INTEGER NOT NULL,
    scheduled INTEGER NOT NULL,
    name TEXT NOT NULL,
    input TEXT,
    lock TEXT NOT NULL DEFAULT '',
    locked_until REAL NOT NULL DEFAULT 0,
    holder INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX tasks_free ON tasks (locked_until, number);
CREATE INDEX tasks_of_instance ON tasks (instance);

CREATE TABLE holders (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    process TEXT NOT NULL,
    port INTEGER NOT NULL
)
"""
# An instance that is started again is a new row with a new number: whatever still refers to the old one finds nothing.
# A row of `inbox` is an event that the next episode takes from `due` on: a timer's lies there from its creation.
# `external` ones outlive a continue-as-new, as they do in Azure where they were not delivered before it.
# A row of `holders` is one open engine or client: whose locks these are, and where its wake-ups go.
