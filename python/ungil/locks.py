"""Locks and meeting points."""

__all__ = []
