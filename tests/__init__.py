"""Our tests. The package exists so that no installed distribution's `tests` can stand in for it."""
