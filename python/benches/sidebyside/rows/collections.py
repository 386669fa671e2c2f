"""Rows for append-only lists, sets and counts by key."""

import collections
import threading
from itertools import repeat
from typing import Any

from .. import packages
from ..row import Contender, Row
from ..timing import Prepare, Timed, Work
from .common import KEYS, own_keys


def append(new: Any) -> Any:
    def make(n_threads: int) -> Work:
        a = new()

        def prepare() -> Timed:
            def loop(rounds: int) -> None:
                for i in range(rounds):
                    a.append(i)

            return loop

        return Work([prepare] * n_threads, lambda rounds: len(a) == rounds * n_threads)

    return make


def append_own(n_threads: int) -> Work:
    def prepare() -> Timed:
        a: list[int] = []

        def loop(rounds: int) -> None:
            for i in range(rounds):
                a.append(i)

        return loop

    return Work([prepare] * n_threads)


def contains(new: Any) -> Any:
    def make(n_threads: int) -> Work:
        s = new(range(KEYS))

        def prepare_for(seed: int) -> Prepare:
            def prepare() -> Timed:
                keys = own_keys(0, seed)

                def loop(rounds: int) -> None:
                    for _ in repeat(None, rounds):
                        for k in keys:
                            k in s

                return loop

            return prepare

        return Work([prepare_for(t) for t in range(n_threads)])

    return make


def add_discard(new: Any) -> Any:
    """Each thread adds and removes its own keys."""

    def make(n_threads: int) -> Work:
        s = new()

        def prepare_for(t: int) -> Prepare:
            def prepare() -> Timed:
                keys = own_keys(t * KEYS, t)

                def loop(rounds: int) -> None:
                    for _ in repeat(None, rounds):
                        for k in keys:
                            s.add(k)
                            s.discard(k)

                return loop

            return prepare

        return Work([prepare_for(t) for t in range(n_threads)], lambda rounds: len(s) == 0)

    return make


def count(hot: bool) -> Any:
    """Counts keys: all threads the same few, or each thread its own."""

    def make(n_threads: int) -> Work:
        counter = packages.ungil("ConcurrentCounter")()

        def prepare_for(t: int) -> Prepare:
            def prepare() -> Timed:
                keys = [k % 4 for k in range(KEYS)] if hot else own_keys(t * KEYS, t)

                def loop(rounds: int) -> None:
                    for _ in repeat(None, rounds):
                        for k in keys:
                            counter.add(k)

                return loop

            return prepare

        right = KEYS // 4 * n_threads if hot else 1
        return Work(
            [prepare_for(t) for t in range(n_threads)], lambda rounds: counter[1] == rounds * right
        )

    return make


def count_locked(hot: bool) -> Any:
    def make(n_threads: int) -> Work:
        counter: collections.Counter[int] = collections.Counter()
        lock = threading.Lock()

        def prepare_for(t: int) -> Prepare:
            def prepare() -> Timed:
                keys = [k % 4 for k in range(KEYS)] if hot else own_keys(t * KEYS, t)

                def loop(rounds: int) -> None:
                    for _ in repeat(None, rounds):
                        for k in keys:
                            with lock:
                                counter[k] += 1

                return loop

            return prepare

        right = KEYS // 4 * n_threads if hot else 1
        return Work(
            [prepare_for(t) for t in range(n_threads)], lambda rounds: counter[1] == rounds * right
        )

    return make


def new_list() -> Any:
    return packages.ungil("AppendList")()


def new_set(*items: Any) -> Any:
    return packages.ungil("ConcurrentSet")(*items)


def _counts(name: str, hot: bool) -> Row:
    return Row(
        f"ConcurrentCounter, {name}",
        "counter.add(k)",
        [
            Contender("ungil", count(hot)),
            Contender("Lock, Counter[k] += 1", count_locked(hot)),
        ],
        KEYS,
    )


ROWS = [
    Row(
        "AppendList",
        "a.append(i)",
        [
            Contender("ungil", append(new_list)),
            Contender("list", append(list)),
            Contender("collections.deque", append(collections.deque)),
            Contender("own list", append_own),
        ],
        ceiling="own list",
    ),
    Row(
        "ConcurrentSet, in",
        f"k in s, {KEYS} members that all threads ask for",
        [Contender("ungil", contains(new_set)), Contender("set", contains(set))],
        KEYS,
    ),
    Row(
        "ConcurrentSet, add and discard",
        "s.add(k); s.discard(k), members of its own for each thread",
        [Contender("ungil", add_discard(new_set)), Contender("set", add_discard(set))],
        KEYS,
    ),
    _counts("keys of each thread", hot=False),
    _counts("four hot keys", hot=True),
]
