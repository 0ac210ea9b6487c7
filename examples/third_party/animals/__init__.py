"""A game of another person's for clarify_env: its rules, who plays it, and an algorithm."""
