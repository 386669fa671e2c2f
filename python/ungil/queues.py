"""Handing things from thread to thread."""

__all__ = []
