"""A row of the comparison: one operation and its implementations."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .timing import Work


@dataclass(frozen=True)
class Contender:
    name: str
    make: Callable[[int], Work]
    """Returns the work for that many threads. Raises `Missing` if a package is not installed."""
    even: bool = False
    """Needs an even number of threads."""

    def runs_with(self, threads: int) -> bool:
        return threads % 2 == 0 if self.even else True


@dataclass(frozen=True)
class Bar:
    """The goal set beforehand: a minimum of ours / theirs, on the free-threaded build."""

    ours: str
    theirs: str
    at: dict[int, float]
    """The minimum ratio for each number of threads."""


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    """The body of the loop, as shown in the output."""
    contenders: list[Contender]
    operations: int = 1
    """Operations in one round of one thread's loop."""
    bars: list[Bar] = field(default_factory=list)
    ceiling: str | None = None
    """Name of the contender whose threads share nothing: the most that the machine can do."""
