"""The truth of a conversation: record and lease, mailbox, messages, outbox and dead letters."""
