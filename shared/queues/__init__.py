"""Brokers: the queues between the stages."""
