"""What is measured against: the least that could answer a webhook and keep it."""
