"""Measurements: how good a policy, a user or an algorithm is."""
