"""Training and evaluation of agents, and the `clarify-env` command."""
