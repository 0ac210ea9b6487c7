"""Who plays collaborative self-play."""
