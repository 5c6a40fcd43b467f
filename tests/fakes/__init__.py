"""Stand-ins that implement a port or a protocol, and record."""
