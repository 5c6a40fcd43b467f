"""Telegram, by the Bot API: webhooks in, single calls out."""
