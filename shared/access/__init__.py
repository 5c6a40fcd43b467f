"""Who people are and what they may do: users, identities, linking, roles, limits."""
