"""Keys and values for the rows, created by the thread that uses them.

A round over keys is `for k in keys`. Each thread creates its own list `keys`, in its own order:
threads that visit the same keys in step would wait for each other at every key, and the benchmark
would measure that.
"""

import random
from itertools import repeat
from typing import Any

from .. import packages
from ..row import Contender, Row
from ..timing import Timed, Work

KEYS = 1024


class Instance:
    """A value with an identity, as applications store in containers."""

    x: Any = None


def an_int(k: int) -> int:
    return k + 1_000_000


def a_string(k: int) -> str:
    return "a string that is not interned " + str(k)


def an_instance(k: int) -> Instance:
    return Instance()


def a_shared_instance(k: int) -> Any:
    return packages.ungil("share")(Instance())


def own_keys(first: int, seed: int) -> list[int]:
    """Returns `KEYS` ints created by the calling thread, shuffled."""
    keys = list(range(first, first + KEYS))
    random.Random(seed).shuffle(keys)
    return keys


def empty(n_threads: int) -> Work:
    def prepare() -> Timed:
        def loop(rounds: int) -> None:
            for _ in repeat(None, rounds):
                pass

        return loop

    return Work([prepare] * n_threads)


def empty_keys(n_threads: int) -> Work:
    def prepare() -> Timed:
        keys = own_keys(0, 0)

        def loop(rounds: int) -> None:
            for _ in repeat(None, rounds):
                for _k in keys:
                    pass

        return loop

    return Work([prepare] * n_threads)


ROWS = [
    Row("empty loop", "pass", [Contender("rounds", empty)]),
    Row("empty loop over keys", "pass", [Contender("keys", empty_keys)], KEYS),
]
