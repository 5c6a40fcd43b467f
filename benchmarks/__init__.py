"""Measures Praxos next to its peers. Every figure is a ratio of two things measured in turns in one run on one machine."""
