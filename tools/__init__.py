"""Tools that generate the pictures and the model that README and page show: `python -m tools.NAME`."""
