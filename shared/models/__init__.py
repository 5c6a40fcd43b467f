"""Chat models: one file or folder per provider, loaded only where it is chosen."""
