"""Where secrets are kept. Each module's `build(parts)` returns the SecretStore port."""
