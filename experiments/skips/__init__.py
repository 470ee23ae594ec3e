"""Skips in listening sessions: logs of them, facts about them, a population that makes them, a model of them."""
