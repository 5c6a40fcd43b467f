"""The tables of the SQLite broker's file. Times are seconds since the epoch."""

from __future__ import annotations

VERSION = 1
LOCK_LENGTH = 32
"""The length of a session's lock, with which the lock of each of its messages begins."""

SCHEMA = """
CREATE TABLE messages (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    lane TEXT NOT NULL,
    session TEXT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    properties TEXT NOT NULL,
    enqueued_at REAL NOT NULL,
    deliveries INTEGER NOT NULL DEFAULT 0,
    lock TEXT NOT NULL DEFAULT '',
    locked_until REAL NOT NULL DEFAULT 0,
    holder INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL DEFAULT ''
);
CREATE INDEX messages_in_order ON messages (queue, lane, sequence);

CREATE TABLE scheduled (
    number INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    session TEXT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    properties TEXT NOT NULL,
    enqueue_at REAL NOT NULL
);
CREATE INDEX scheduled_by_time ON scheduled (queue, enqueue_at);

CREATE TABLE sessions (
    queue TEXT NOT NULL,
    session TEXT NOT NULL,
    lock TEXT NOT NULL,
    locked_until REAL NOT NULL,
    holder INTEGER NOT NULL,
    PRIMARY KEY (queue, session)
) WITHOUT ROWID;
CREATE INDEX sessions_free ON sessions (queue, locked_until);

CREATE TABLE seen (
    number INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    id TEXT NOT NULL,
    until REAL NOT NULL,
    UNIQUE (queue, id)
);

CREATE TABLE holders (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    process TEXT NOT NULL,
    port INTEGER NOT NULL,
    queues TEXT NOT NULL
)
"""
# messages.lane is the session on a queue with sessions and empty elsewhere, so that one index finds the next message of
# either. There, `lock` begins with the lock of the session: a message is free when its session's lock is another one.
# Every session with messages has a row in `sessions`; a free one has the time since when as its `locked_until`.
# A row of `holders` is one open broker: whose locks these are, and where its wake-ups go.
