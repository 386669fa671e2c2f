"""Rows for locks: all threads take one lock, for the shortest possible critical section."""

import threading
from itertools import repeat
from typing import Any

from .. import packages
from ..row import Contender, Row
from ..timing import Timed, Work


def guarded(new: Any) -> Any:
    """`with lock: n += 1`. The sum is checked, because a lock that excludes nobody is fast."""

    def make(n_threads: int) -> Work:
        lock, n = new(), 0

        def prepare() -> Timed:
            def loop(rounds: int) -> None:
                nonlocal n
                for _ in repeat(None, rounds):
                    with lock:
                        n += 1

            return loop

        return Work([prepare] * n_threads, lambda rounds: n == rounds * n_threads)

    return make


def guarded_own(n_threads: int) -> Work:
    def prepare() -> Timed:
        lock, n = threading.Lock(), 0

        def loop(rounds: int) -> None:
            nonlocal n
            for _ in repeat(None, rounds):
                with lock:
                    n += 1

        return loop

    return Work([prepare] * n_threads)


def read_lock(n_threads: int) -> Work:
    lock = threading.Lock()

    def prepare() -> Timed:
        def loop(rounds: int) -> None:
            for _ in repeat(None, rounds):
                with lock:
                    pass

        return loop

    return Work([prepare] * n_threads)


def read_ungil(n_threads: int) -> Work:
    lock = packages.ungil("RWLock")()

    def prepare() -> Timed:
        def loop(rounds: int) -> None:
            for _ in repeat(None, rounds):
                with lock.read():
                    pass

        return loop

    return Work([prepare] * n_threads)


def read_cereggii(n_threads: int) -> Work:
    lock = packages.get("cereggii.locks", "ReadersWriterLock")()

    def prepare() -> Timed:
        def loop(rounds: int) -> None:
            for _ in repeat(None, rounds):
                with lock.reader():
                    pass

        return loop

    return Work([prepare] * n_threads)


def read_ft_utils(n_threads: int) -> Work:
    lock = packages.get("ft_utils.synchronization", "RWLock")()
    context = packages.get("ft_utils.synchronization", "RWReadContext")

    def prepare() -> Timed:
        def loop(rounds: int) -> None:
            for _ in repeat(None, rounds):
                with context(lock):
                    pass

        return loop

    return Work([prepare] * n_threads)


def new_lock() -> Any:
    return packages.ungil("Lock")()


def new_fair_lock() -> Any:
    return packages.ungil("Lock")(fair=True)


def new_ft_utils() -> Any:
    return packages.get("ft_utils.synchronization", "IntervalLock")()


ROWS = [
    Row(
        "Lock",
        "with lock: n += 1",
        [
            Contender("ungil", guarded(new_lock)),
            Contender("ungil, fair", guarded(new_fair_lock)),
            Contender("threading.Lock", guarded(threading.Lock)),
            Contender("threading.RLock", guarded(threading.RLock)),
            Contender("ft_utils.IntervalLock", guarded(new_ft_utils)),
            Contender("own threading.Lock", guarded_own),
        ],
        ceiling="own threading.Lock",
    ),
    Row(
        "RWLock, readers",
        "with lock.read(): pass",
        [
            Contender("ungil", read_ungil),
            Contender("threading.Lock", read_lock),
            Contender("cereggii.ReadersWriterLock", read_cereggii),
            Contender("ft_utils.RWLock", read_ft_utils),
        ],
    ),
]
