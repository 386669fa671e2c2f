"""Work over threads."""

__all__ = []
