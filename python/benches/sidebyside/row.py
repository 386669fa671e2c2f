"""A row of the comparison: one operation, and everybody who offers it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .timing import Work


@dataclass(frozen=True)
class Contender:
    name: str
    make: Callable[[int], Work]
    """For that many threads. Raises `Missing` if what it needs is not there."""
    even: bool = False
    """Needs two threads at least, and an even number."""

    def runs_with(self, threads: int) -> bool:
        return threads % 2 == 0 if self.even else True


@dataclass(frozen=True)
class Bar:
    """What was promised: ours at least so many times theirs, on the free-threaded build."""

    ours: str
    theirs: str
    at: dict[int, float]


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    """The loop's body."""
    contenders: list[Contender]
    operations: int = 1
    """In one round of one thread's loop."""
    bars: list[Bar] = field(default_factory=list)
    ceiling: str | None = None
    """The contender that shares nothing."""
