"""One timing: N threads run the same loop on shared objects, from the first start to the last end.

What could be measured by mistake, and is not:

- *Starting threads*. They are made before, meet at a barrier, and then spin to one common moment.
- *Things the benchmark itself shares.* Each thread builds its own keys, iterators and function (`prepare` runs in the thread),
  because an int that two threads load is a count that two threads write. Only the object under test is common, and every
  contender's loop reaches it in the same way, through a closure.
- *The loop.* It has the same shape for all contenders of a row. What it costs is shown in a row of its own and never subtracted.
- *Garbage.* The collector stays on, as users have it; it runs once before each timing, so that nobody pays for the one before.
"""

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Timed = Callable[[int], object]
"""The loop: runs that many rounds."""
Prepare = Callable[[], Timed]
"""Runs in the thread, before the clock: makes what is the thread's own and returns its loop."""

HUNG_S = 120.0


class Failed(Exception):
    """A contender raised, hung, or came to a wrong result."""


def _nothing() -> None:
    return None


@dataclass
class Work:
    """What the threads of one timing do."""

    threads: list[Prepare]
    check: Callable[[int], bool] = lambda rounds: True
    """Whether the result is right after that many rounds in each thread. A fast wrong answer is a failure, not a figure."""
    close: Callable[[], object] = field(default=_nothing)


def seconds(work: Work, rounds: int) -> float:
    """Runs it once and returns the time from the first start to the last end."""
    count = len(work.threads)
    go = [0]
    clock = time.perf_counter_ns

    def agree() -> None:
        go[0] = clock() + 500_000 + 50_000 * count

    barrier = threading.Barrier(count, action=agree)
    spans: list[tuple[int, int]] = []
    errors: list[BaseException] = []

    def run(prepare: Prepare) -> None:
        try:
            loop = prepare()
            barrier.wait()
            start = go[0]
            while clock() < start:
                pass
            begun = clock()
            loop(rounds)
            spans.append((begun, clock()))
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    gc.collect()
    threads = [
        threading.Thread(target=run, args=(prepare,), daemon=True) for prepare in work.threads
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HUNG_S)
        if thread.is_alive():
            raise Failed(f"did not end within {HUNG_S:.0f} s")
    if errors:
        first = next(
            (e for e in errors if not isinstance(e, threading.BrokenBarrierError)), errors[0]
        )
        raise Failed(f"{type(first).__name__}: {first}")
    if not work.check(rounds):
        raise Failed("came to a wrong result")
    return (max(end for _, end in spans) - min(begun for begun, _ in spans)) / 1e9


def rounds_for(make: Callable[[], Work], wanted_s: float) -> int:
    """How many rounds take about that long: found by growing, because contenders differ a thousandfold.

    A timing that was long by mischance (another process had the processor) would end the growth too early, so the answer is tried.
    """
    rounds = 1
    while True:
        took = min(_once(make, rounds), _once(make, rounds))
        if took >= wanted_s / 2:
            return max(1, round(rounds * wanted_s / took))
        rounds = max(rounds + 1, round(rounds * min(20.0, wanted_s / max(took, 1e-7))))


def _once(make: Callable[[], Work], rounds: int) -> float:
    work = make()
    try:
        return seconds(work, rounds)
    finally:
        work.close()
