"""Numbers and references that many threads change."""

from ungil._ungil import Adder

__all__ = ["Adder"]
