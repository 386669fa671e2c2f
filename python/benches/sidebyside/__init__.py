"""Modules of `scaling.py`."""
