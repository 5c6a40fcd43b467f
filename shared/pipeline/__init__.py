"""One module per stage: what happens between the queues."""
