"""Comparing methods: suites as data, a runner for one machine or many, results as one tidy table."""
