"""Arrays and lists: a fixed array, an append-only list and a memory-mapped file of numbers."""

from collections.abc import Sequence

from ungil._ungil import AppendList, Array, MappedArray

Sequence.register(AppendList)
Sequence.register(Array)
Sequence.register(MappedArray)

__all__ = ["AppendList", "Array", "MappedArray"]
