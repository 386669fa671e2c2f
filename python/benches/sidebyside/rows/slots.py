"""Rows for array slots: each thread writes its own range of one array."""

from itertools import repeat
from typing import Any

from .. import packages
from ..row import Bar, Contender, Row
from ..timing import Prepare, Timed, Work
from .common import KEYS, a_string, an_int


def slot_write(new: Any, value: Any) -> Any:
    """Each thread writes its own range."""

    def make(n_threads: int) -> Work:
        a = new([None] * (KEYS * n_threads))

        def prepare_for(t: int) -> Prepare:
            def prepare() -> Timed:
                keys, v = list(range(t * KEYS, (t + 1) * KEYS)), value(t)

                def loop(rounds: int) -> None:
                    for _ in repeat(None, rounds):
                        for k in keys:
                            a[k] = v

                return loop

            return prepare

        return Work([prepare_for(t) for t in range(n_threads)], lambda rounds: None not in list(a))

    return make


def slot_write_own(value: Any) -> Any:
    def make(n_threads: int) -> Work:
        def prepare() -> Timed:
            keys, v, a = list(range(KEYS)), value(0), [None] * KEYS

            def loop(rounds: int) -> None:
                for _ in repeat(None, rounds):
                    for k in keys:
                        a[k] = v

            return loop

        return Work([prepare] * n_threads)

    return make


def upper(new: Any) -> Any:
    """The study's worst workload: replaces strings that the main thread created, in place."""

    def make(n_threads: int) -> Work:
        a = new([a_string(k) for k in range(KEYS * n_threads)])

        def prepare_for(t: int) -> Prepare:
            def prepare() -> Timed:
                keys = list(range(t * KEYS, (t + 1) * KEYS))

                def loop(rounds: int) -> None:
                    for _ in repeat(None, rounds):
                        for k in keys:
                            a[k] = a[k].upper()

                return loop

            return prepare

        return Work(
            [prepare_for(t) for t in range(n_threads)],
            lambda rounds: all(s.isupper() for s in list(a)),
        )

    return make


def upper_own(n_threads: int) -> Work:
    def prepare() -> Timed:
        keys, a = list(range(KEYS)), [a_string(k) for k in range(KEYS)]

        def loop(rounds: int) -> None:
            for _ in repeat(None, rounds):
                for k in keys:
                    a[k] = a[k].upper()

        return loop

    return Work([prepare] * n_threads)


def new_array(items: list[Any]) -> Any:
    return packages.ungil("Array")(items)


def _writes(name: str, value: Any, bars: list[Bar]) -> Row:
    return Row(
        f"Array slot write, {name}",
        "a[k] = v, a range a thread",
        [
            Contender("ungil", slot_write(new_array, value)),
            Contender("list", slot_write(list, value)),
            Contender("own list", slot_write_own(value)),
        ],
        KEYS,
        bars,
        "own list",
    )


ROWS = [
    _writes("ints", an_int, [Bar("ungil", "list", {1: 0.7, 2: 2.0, 16: 120.0})]),
    _writes("strings", a_string, []),
    Row(
        "Array, strings replaced",
        "a[k] = a[k].upper(), a range a thread",
        [
            Contender("ungil", upper(new_array)),
            Contender("list", upper(list)),
            Contender("own list", upper_own),
        ],
        KEYS,
        ceiling="own list",
    ),
]
