"""The least that could do it: what a cold start and an acknowledgement are measured against."""
