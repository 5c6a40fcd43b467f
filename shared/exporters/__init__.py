"""Where spans, metrics and log lines are sent to: one file for each place."""
