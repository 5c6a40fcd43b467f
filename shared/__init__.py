"""Everything the stages do, free of triggers."""
