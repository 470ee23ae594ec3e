"""Tools that make what the README and the page show: run one with `python -m tools.NAME`."""
