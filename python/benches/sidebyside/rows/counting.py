"""Rows for counting. As in all rows, the loop reaches the counter through a closure."""

import threading
from itertools import repeat

from .. import packages
from ..row import Bar, Contender, Row
from ..timing import Timed, Work


def count_lock(n_threads: int) -> Work:
    lock, n = threading.Lock(), 0

    def prepare() -> Timed:
        def loop(rounds: int) -> None:
            nonlocal n
            for _ in repeat(None, rounds):
                with lock:
                    n += 1

        return loop

    return Work([prepare] * n_threads, lambda rounds: n == rounds * n_threads)


def count_adder(n_threads: int) -> Work:
    adder = packages.ungil("Adder")()

    def prepare() -> Timed:
        def loop(rounds: int) -> None:
            for _ in repeat(None, rounds):
                adder.add(1)

        return loop

    return Work([prepare] * n_threads, lambda rounds: adder.sum() == rounds * n_threads)


def count_atomic(n_threads: int) -> Work:
    counter = packages.ungil("AtomicInt")(0)

    def prepare() -> Timed:
        def loop(rounds: int) -> None:
            for _ in repeat(None, rounds):
                counter.increment_and_get()

        return loop

    return Work([prepare] * n_threads, lambda rounds: counter.get() == rounds * n_threads)


def count_cereggii(n_threads: int) -> Work:
    counter = packages.get("cereggii", "AtomicInt64")(0)

    def prepare() -> Timed:
        def loop(rounds: int) -> None:
            for _ in repeat(None, rounds):
                counter.increment_and_get(1)

        return loop

    return Work([prepare] * n_threads, lambda rounds: counter.get() == rounds * n_threads)


def count_cereggii_handle(n_threads: int) -> Work:
    counter = packages.get("cereggii", "AtomicInt64")(0)

    def prepare() -> Timed:
        handle = counter.get_handle()

        def loop(rounds: int) -> None:
            for _ in repeat(None, rounds):
                handle.increment_and_get(1)

        return loop

    return Work([prepare] * n_threads, lambda rounds: counter.get() == rounds * n_threads)


def count_ft_utils(n_threads: int) -> Work:
    counter = packages.get("ft_utils.concurrency", "AtomicInt64")(0)

    def prepare() -> Timed:
        def loop(rounds: int) -> None:
            for _ in repeat(None, rounds):
                counter.incr()

        return loop

    return Work([prepare] * n_threads, lambda rounds: counter.get() == rounds * n_threads)


def count_own(n_threads: int) -> Work:
    def prepare() -> Timed:
        n = 0

        def loop(rounds: int) -> None:
            nonlocal n
            for _ in repeat(None, rounds):
                n += 1

        return loop

    return Work([prepare] * n_threads)


ROWS = [
    Row(
        "Adder.add",
        "n += 1",
        [
            Contender("ungil", count_adder),
            Contender("Lock: n += 1", count_lock),
            Contender("cereggii.AtomicInt64", count_cereggii),
            Contender("cereggii handle", count_cereggii_handle),
            Contender("ft_utils.AtomicInt64", count_ft_utils),
            Contender("own n", count_own),
        ],
        bars=[
            Bar("ungil", "Lock: n += 1", {1: 1.5, 2: 5.0, 16: 450.0}),
            Bar("ungil", "cereggii.AtomicInt64", {2: 1.5, 16: 40.0}),
        ],
        ceiling="own n",
    ),
    Row(
        "AtomicInt",
        "n.increment_and_get()",
        [
            Contender("ungil", count_atomic),
            Contender("Lock: n += 1", count_lock),
            Contender("cereggii.AtomicInt64", count_cereggii),
            Contender("ft_utils.AtomicInt64", count_ft_utils),
        ],
    ),
]
