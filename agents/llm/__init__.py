"""Language models as players: local ones and those behind a server."""
