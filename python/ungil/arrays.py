"""Rows of slots."""

from ungil._ungil import Array

__all__ = ["Array"]
