"""Concurrent maps, sets and counters. Insertion order is not kept."""

from ungil._counter_map import ConcurrentCounter
from ungil._dict import ConcurrentDict
from ungil._set import ConcurrentSet
from ungil._ungil import ABSENT

__all__ = ["ABSENT", "ConcurrentCounter", "ConcurrentDict", "ConcurrentSet"]
