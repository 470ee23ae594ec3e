"""Exact search over vectors, and planning in a model; array in, array out, independent of the other subpackages."""
