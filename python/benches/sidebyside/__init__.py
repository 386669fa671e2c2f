"""Parts of `scaling.py`."""
