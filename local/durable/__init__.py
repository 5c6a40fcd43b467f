"""Durable Functions on this machine: the extension's JSON protocol and HTTP management API over one SQLite file."""
