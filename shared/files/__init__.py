"""Where files are kept. Each module's `build(parts)` returns the Files port."""
