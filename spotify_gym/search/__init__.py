"""Exact search over vectors, and planning in a model: arrays in, arrays out; imports nothing of the package."""
