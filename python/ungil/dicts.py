"""Maps and sets."""

__all__ = []
