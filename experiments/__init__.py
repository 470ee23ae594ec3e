"""Experiments: each is data, a runner and an analysis; run one with `python -m experiments.NAME`."""
