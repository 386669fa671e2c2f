"""Objects made cheap to share."""

__all__ = []
