"""Rows for queues: each thread puts and gets in turn, or half put and the other half get."""

import queue
from itertools import repeat
from typing import Any

from .. import packages
from ..row import Bar, Contender, Row
from ..timing import Timed, Work


def put_get(new: Any) -> Any:
    def make(n_threads: int) -> Work:
        q = new()

        def prepare() -> Timed:
            def loop(rounds: int) -> None:
                for i in range(rounds):
                    q.put(i)
                    q.get()

            return loop

        return Work([prepare] * n_threads, lambda rounds: q.empty())

    return make


def produce_consume(new: Any) -> Any:
    """Half of the threads put, the other half get."""

    def make(n_threads: int) -> Work:
        q = new()

        def producer() -> Timed:
            def loop(rounds: int) -> None:
                for i in range(rounds):
                    q.put(i)

            return loop

        def consumer() -> Timed:
            def loop(rounds: int) -> None:
                for _ in repeat(None, rounds):
                    q.get()

            return loop

        half = n_threads // 2
        return Work([producer, consumer] * half, lambda rounds: q.empty())

    return make


def many(n_threads: int) -> Work:
    """As `produce_consume`, a hundred items per call."""
    q = new_ungil()

    def producer() -> Timed:
        def loop(rounds: int) -> None:
            for first in range(0, rounds, 100):
                q.put_many(range(first, min(first + 100, rounds)))

        return loop

    def consumer() -> Timed:
        def loop(rounds: int) -> None:
            while rounds > 0:
                rounds -= len(q.get_many(min(100, rounds)))

        return loop

    return Work([producer, consumer] * (n_threads // 2), lambda rounds: q.empty())


def new_ungil() -> Any:
    return packages.ungil("Queue")(1024)


def new_queue() -> Any:
    return queue.Queue(1024)


def new_ft_utils() -> Any:
    return packages.get("ft_utils.concurrency", "StdConcurrentQueue")(1024)


ROWS = [
    Row(
        "Queue put+get",
        "q.put(i); q.get(), room for 1024",
        [
            Contender("ungil", put_get(new_ungil)),
            Contender("queue.Queue", put_get(new_queue)),
            Contender("queue.SimpleQueue", put_get(queue.SimpleQueue)),
            Contender("ft_utils.StdConcurrentQueue", put_get(new_ft_utils)),
        ],
        1,
        [
            Bar("ungil", "queue.Queue", {1: 8.0, 2: 8.0, 16: 40.0}),
            Bar("ungil", "queue.SimpleQueue", {1: 0.5, 2: 0.7, 16: 20.0}),
        ],
    ),
    Row(
        "Queue, producers to consumers",
        "half of the threads q.put(i), the others q.get(); an operation is one of the two",
        [
            Contender("ungil", produce_consume(new_ungil), even=True),
            Contender("ungil, by hundreds", many, even=True),
            Contender("queue.Queue", produce_consume(new_queue), even=True),
            Contender("queue.SimpleQueue", produce_consume(queue.SimpleQueue), even=True),
            Contender("ft_utils.StdConcurrentQueue", produce_consume(new_ft_utils), even=True),
        ],
    ),
]
