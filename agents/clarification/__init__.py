"""Who plays the clarification game."""
