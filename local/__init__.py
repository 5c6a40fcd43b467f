"""The embedded host: serves the same function app that Azure runs, with nothing else installed; and the commands."""
