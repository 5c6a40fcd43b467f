"""The host is killed, frozen and starved; nothing may be lost, doubled or out of order."""
