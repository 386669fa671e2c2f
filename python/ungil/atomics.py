"""Numbers and references that many threads change."""

from ungil._ungil import Accumulator, Adder, AtomicFlag, AtomicInt, AtomicRef

__all__ = ["Accumulator", "Adder", "AtomicFlag", "AtomicInt", "AtomicRef"]
