"""Chat platforms, one folder each. They import ports and below, and never each other."""
