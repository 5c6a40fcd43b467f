"""Tools that belong to no service. Each module's `build(parts)` returns what the assistant can do with it."""
