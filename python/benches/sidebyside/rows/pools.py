"""Rows for thread pools: one caller, and as many workers as the column states."""

import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from .. import packages
from ..row import Contender, Row
from ..timing import Timed, Work


def tiny(i: int) -> int:
    return i + 1


def a_while(i: int) -> int:
    """Runs some microseconds of pure Python."""
    total = 0
    for n in range(100):
        total += n * i
    return total


def warm(pool: Executor, workers: int) -> None:
    """Makes the pool start all its threads, by as many tasks that wait for each other."""
    barrier = threading.Barrier(workers)
    for future in [pool.submit(barrier.wait) for _ in range(workers)]:
        future.result()


def mapped(new: Any, function: Any) -> Any:
    def make(workers: int) -> Work:
        pool: Executor = new(workers)
        got = [0]

        def prepare() -> Timed:
            warm(pool, workers)

            def loop(rounds: int) -> None:
                got[0] = sum(1 for _ in pool.map(function, range(rounds)))

            return loop

        return Work([prepare], lambda rounds: got[0] == rounds, pool.shutdown)

    return make


def submitted(new: Any) -> Any:
    def make(workers: int) -> Work:
        pool: Executor = new(workers)

        def prepare() -> Timed:
            warm(pool, workers)

            def loop(rounds: int) -> None:
                for i in range(rounds):
                    pool.submit(tiny, i).result()

            return loop

        return Work([prepare], close=pool.shutdown)

    return make


def new_pool(workers: int) -> Any:
    return packages.ungil("ThreadPool")(workers)


def _maps(name: str, function: Any) -> Row:
    return Row(
        f"ThreadPool.map, {name}",
        "items of one map, a column a number of workers",
        [
            Contender("ungil", mapped(new_pool, function)),
            Contender("ThreadPoolExecutor", mapped(ThreadPoolExecutor, function)),
        ],
    )


ROWS = [
    _maps("i + 1", tiny),
    _maps("100 additions", a_while),
    Row(
        "ThreadPool.submit",
        "pool.submit(f, i).result(), a column a number of workers",
        [
            Contender("ungil", submitted(new_pool)),
            Contender("ThreadPoolExecutor", submitted(ThreadPoolExecutor)),
        ],
    ),
]
