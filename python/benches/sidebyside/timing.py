"""One measurement: N threads run the same loop on shared objects.

The time is from the first start to the last end. These costs could distort it and are avoided:

- *Thread start.* Threads are created beforehand, meet at a barrier, and spin to one common moment.
- *Objects shared by the benchmark itself.* Each thread builds its own keys, iterators and function
  (`prepare` runs in the thread), because two threads that load the same int write the same
  reference count. Only the object under test is shared, and every contender's loop reaches it in
  the same way, through a closure.
- *The loop.* It has the same shape for all contenders of a row. Its cost is shown in a row of its
  own and never subtracted.
- *Garbage.* The collector stays on, as in users' programs. It runs once before each measurement, so
  that none pays for the garbage of the previous one.
"""

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Timed = Callable[[int], object]
"""The measured loop. Its argument is the number of rounds."""
Prepare = Callable[[], Timed]
"""Runs in the thread before the clock starts: builds the thread's own objects, returns its loop."""

TIMEOUT_S = 120.0


class Failed(Exception):
    """Raised if a contender raised an exception, hung, or computed a wrong result."""


def _nothing() -> None:
    return None


@dataclass
class Work:
    """The work of the threads of one measurement."""

    threads: list[Prepare]
    check: Callable[[int], bool] = lambda rounds: True
    """Returns whether the result is right after that many rounds in each thread."""
    close: Callable[[], object] = field(default=_nothing)


def seconds(work: Work, rounds: int) -> float:
    """Runs the work once and returns the time from the first start to the last end."""
    count = len(work.threads)
    go = [0]
    clock = time.perf_counter_ns

    def set_start() -> None:
        go[0] = clock() + 500_000 + 50_000 * count

    barrier = threading.Barrier(count, action=set_start)
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
        thread.join(TIMEOUT_S)
        if thread.is_alive():
            raise Failed(f"did not end within {TIMEOUT_S:.0f} s")
    if errors:
        first = next(
            (e for e in errors if not isinstance(e, threading.BrokenBarrierError)), errors[0]
        )
        raise Failed(f"{type(first).__name__}: {first}")
    if not work.check(rounds):
        raise Failed("computed a wrong result")
    return (max(end for _, end in spans) - min(begun for begun, _ in spans)) / 1e9


def rounds_for(make: Callable[[], Work], target_s: float) -> int:
    """Returns the number of rounds that take about `target_s`.

    The number grows until the time is reached, because contenders differ a thousandfold. Each
    number is measured twice and the shorter time counts: a measurement that another process
    disturbed would end the growth too early.
    """
    rounds = 1
    while True:
        took = min(_once(make, rounds), _once(make, rounds))
        if took >= target_s / 2:
            return max(1, round(rounds * target_s / took))
        rounds = max(rounds + 1, round(rounds * min(20.0, target_s / max(took, 1e-7))))


def _once(make: Callable[[], Work], rounds: int) -> float:
    work = make()
    try:
        return seconds(work, rounds)
    finally:
        work.close()
