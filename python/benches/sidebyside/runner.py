"""Runs a row: every contender at every number of threads once a block, in an order drawn anew for each block.

What disturbs a machine for a second (a neighbour on the host, heat) then falls on everybody alike, and a ratio is taken between two
timings of the same block.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import median

from .neighbours import Missing
from .row import Contender, Row
from .timing import Failed, rounds_for, seconds

Cell = tuple[str, int]
"""A contender's name and a number of threads."""


@dataclass(frozen=True)
class Spread:
    """The median of the blocks, and the lowest and highest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(median(values), min(values), max(values))


@dataclass
class Result:
    """What was measured of a row: a figure a block, in millions of operations a second of all threads together."""

    row: Row
    threads: list[int]
    figures: dict[Cell, list[float]] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)
    """Contenders that did not run, or not to the end, and why."""

    def spread(self, name: str, threads: int) -> Spread | None:
        values = self.figures.get((name, threads))
        return Spread.of(values) if values else None

    def ratio(self, ours: str, theirs: str, threads: int) -> Spread | None:
        mine, others = self.figures.get((ours, threads)), self.figures.get((theirs, threads))
        if not mine or not others:
            return None
        return Spread.of([a / b for a, b in zip(mine, others, strict=False)])


def run(
    row: Row,
    threads: list[int],
    blocks: int,
    wanted_s: float,
    rng: random.Random,
    tell: Callable[[str], object],
) -> Result:
    result = Result(row, threads)
    rounds: dict[Cell, int] = {}
    by_name = {contender.name: contender for contender in row.contenders}
    for contender in row.contenders:
        for n in threads:
            if contender.runs_with(n) and contender.name not in result.without:
                tell(f"{row.name}: {contender.name}, {n} threads, how fast about")
                with_reason(
                    result,
                    contender,
                    lambda c=contender, n=n: rounds.update(
                        {(c.name, n): calibrate(c, n, wanted_s)}
                    ),
                )
    for block in range(blocks):
        cells = list(rounds)
        rng.shuffle(cells)
        for name, n in cells:
            if name not in result.without:
                tell(f"{row.name}: block {block + 1} of {blocks}, {name}, {n} threads")
                with_reason(
                    result,
                    by_name[name],
                    lambda name=name, n=n: result.figures.setdefault((name, n), []).append(
                        timed(row, by_name[name], n, rounds[name, n])
                    ),
                )
    return result


def calibrate(contender: Contender, threads: int, wanted_s: float) -> int:
    return rounds_for(partial(contender.make, threads), wanted_s)


def timed(row: Row, contender: Contender, threads: int, rounds: int) -> float:
    work = contender.make(threads)
    try:
        took = seconds(work, rounds)
    finally:
        work.close()
    return rounds * row.operations * len(work.threads) / took / 1e6


def with_reason(result: Result, contender: Contender, do: Callable[[], object]) -> None:
    """Does it; a contender that cannot is left out from then on, and the reason kept."""
    try:
        do()
    except Missing as why:
        result.without[contender.name] = str(why)
    except Failed as why:
        result.without[contender.name] = f"failed: {why}"
    except Exception as why:
        result.without[contender.name] = f"failed: {type(why).__name__}: {why}"
