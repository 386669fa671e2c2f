"""Runs a row: each block measures every contender at every number of threads, in random order.

A short disturbance of the machine (another virtual machine, heat) then affects all contenders
alike. A ratio is always between two measurements of the same block.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import median

from .packages import Missing
from .row import Contender, Row
from .timing import Failed, rounds_for, seconds

Cell = tuple[str, int]
"""A contender's name and a number of threads."""


@dataclass(frozen=True)
class Spread:
    """The median, lowest and highest value of the blocks."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(median(values), min(values), max(values))


@dataclass
class Result:
    """The measurements of a row: millions of operations/s of all threads, one figure per block."""

    row: Row
    threads: list[int]
    figures: dict[Cell, list[float]] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)
    """The reason for each contender that did not run or failed."""

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
    target_s: float,
    rng: random.Random,
    progress: Callable[[str], object],
) -> Result:
    result = Result(row, threads)
    rounds: dict[Cell, int] = {}
    by_name = {contender.name: contender for contender in row.contenders}
    for contender in row.contenders:
        for n in threads:
            if contender.runs_with(n) and contender.name not in result.without:
                progress(f"{row.name}: calibrating {contender.name}, {n} threads")
                record_failure(
                    result,
                    contender,
                    lambda c=contender, n=n: rounds.update(
                        {(c.name, n): calibrate(c, n, target_s)}
                    ),
                )
    for block in range(blocks):
        cells = list(rounds)
        rng.shuffle(cells)
        for name, n in cells:
            if name not in result.without:
                progress(f"{row.name}: block {block + 1} of {blocks}, {name}, {n} threads")
                record_failure(
                    result,
                    by_name[name],
                    lambda name=name, n=n: result.figures.setdefault((name, n), []).append(
                        millions_per_second(row, by_name[name], n, rounds[name, n])
                    ),
                )
    return result


def calibrate(contender: Contender, threads: int, target_s: float) -> int:
    return rounds_for(partial(contender.make, threads), target_s)


def millions_per_second(row: Row, contender: Contender, threads: int, rounds: int) -> float:
    work = contender.make(threads)
    try:
        took = seconds(work, rounds)
    finally:
        work.close()
    return rounds * row.operations * len(work.threads) / took / 1e6


def record_failure(result: Result, contender: Contender, measure: Callable[[], object]) -> None:
    """Calls `measure`. If it fails, records the reason and excludes the contender from then on."""
    try:
        measure()
    except Missing as why:
        result.without[contender.name] = str(why)
    except Failed as why:
        result.without[contender.name] = f"failed: {why}"
    except Exception as why:
        result.without[contender.name] = f"failed: {type(why).__name__}: {why}"
