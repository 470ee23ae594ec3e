"""Exact search over vectors: arrays in, arrays out; imports nothing of the package."""
