"""Rows of places."""

from collections.abc import Sequence

from ungil._ungil import AppendList, Array, MappedArray

Sequence.register(AppendList)
Sequence.register(Array)
Sequence.register(MappedArray)

__all__ = ["AppendList", "Array", "MappedArray"]
