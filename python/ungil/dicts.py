"""Maps, sets and counters that many threads share. The order of insertion is not kept."""

from ungil._dict import ConcurrentDict
from ungil._set import ConcurrentSet
from ungil._tally import ConcurrentCounter
from ungil._ungil import ABSENT

__all__ = ["ABSENT", "ConcurrentCounter", "ConcurrentDict", "ConcurrentSet"]
