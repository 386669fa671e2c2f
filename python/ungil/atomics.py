"""Atomic numbers, flags and references, and scalable sums."""

from ungil._ungil import Accumulator, Adder, AtomicFlag, AtomicInt, AtomicRef

__all__ = ["Accumulator", "Adder", "AtomicFlag", "AtomicInt", "AtomicRef"]
