"""The store's adapters, and the memory store that goes with each."""
