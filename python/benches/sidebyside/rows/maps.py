"""Rows for maps: every thread reads all of the same keys, or writes its own keys."""

from itertools import repeat
from typing import Any

from .. import packages
from ..row import Bar, Contender, Row
from ..timing import Prepare, Timed, Work
from .common import KEYS, a_shared_instance, an_instance, an_int, own_keys


def new_dict() -> Any:
    return {}


def new_ungil_dict() -> Any:
    return packages.ungil("ConcurrentDict")()


def new_cereggii_dict() -> Any:
    return packages.get("cereggii", "AtomicDict")()


def new_ft_utils_dict() -> Any:
    return packages.get("ft_utils.concurrency", "ConcurrentDict")()


def get(new: Any, value: Any) -> Any:
    """Every thread reads all of the same keys."""

    def make(n_threads: int) -> Work:
        d = new()
        for k in range(KEYS):
            d[k] = value(k)

        def prepare_for(seed: int) -> Prepare:
            def prepare() -> Timed:
                keys = own_keys(0, seed)

                def loop(rounds: int) -> None:
                    for _ in repeat(None, rounds):
                        for k in keys:
                            d[k]

                return loop

            return prepare

        return Work([prepare_for(t) for t in range(n_threads)])

    return make


def get_own(value: Any) -> Any:
    def make(n_threads: int) -> Work:
        def prepare() -> Timed:
            keys = own_keys(0, 0)
            d = {k: value(k) for k in range(KEYS)}

            def loop(rounds: int) -> None:
                for _ in repeat(None, rounds):
                    for k in keys:
                        d[k]

            return loop

        return Work([prepare] * n_threads)

    return make


def set_disjoint(new: Any) -> Any:
    """Each thread writes its own keys into one map."""

    def make(n_threads: int) -> Work:
        d = new()

        def prepare_for(t: int) -> Prepare:
            def prepare() -> Timed:
                keys = own_keys(t * KEYS, t)

                def loop(rounds: int) -> None:
                    for _ in repeat(None, rounds):
                        for k in keys:
                            d[k] = k

                return loop

            return prepare

        threads = [prepare_for(t) for t in range(n_threads)]
        return Work(threads, lambda rounds: len(d) == n_threads * KEYS and d[KEYS - 1] == KEYS - 1)

    return make


def set_own(n_threads: int) -> Work:
    def prepare() -> Timed:
        keys, d = own_keys(0, 0), {}

        def loop(rounds: int) -> None:
            for _ in repeat(None, rounds):
                for k in keys:
                    d[k] = k

        return loop

    return Work([prepare] * n_threads)


def _gets(name: str, value: Any, ours: list[Contender], bars: list[Bar]) -> Row:
    return Row(
        f"ConcurrentDict get, {name}",
        f"d[k], {KEYS} keys that all threads read",
        [
            Contender("ungil", get(new_ungil_dict, value)),
            *ours,
            Contender("dict", get(new_dict, value)),
            Contender("cereggii.AtomicDict", get(new_cereggii_dict, value)),
            Contender("ft_utils.ConcurrentDict", get(new_ft_utils_dict, value)),
            Contender("own dict", get_own(value)),
        ],
        KEYS,
        bars,
        "own dict",
    )


GET_BAR = {1: 0.7, 2: 1.5, 16: 75.0}

ROWS = [
    _gets("ints", an_int, [], [Bar("ungil", "dict", GET_BAR)]),
    _gets(
        "instances",
        an_instance,
        [Contender("ungil, share(v)", get(new_ungil_dict, a_shared_instance))],
        [Bar("ungil", "dict", GET_BAR), Bar("ungil, share(v)", "dict", GET_BAR)],
    ),
    Row(
        "ConcurrentDict set",
        "d[k] = k, keys of its own for each thread",
        [
            Contender("ungil", set_disjoint(new_ungil_dict)),
            Contender("dict", set_disjoint(new_dict)),
            Contender("cereggii.AtomicDict", set_disjoint(new_cereggii_dict)),
            Contender("ft_utils.ConcurrentDict", set_disjoint(new_ft_utils_dict)),
            Contender("own dict", set_own),
        ],
        KEYS,
        [Bar("ungil", "dict", {1: 0.6, 2: 2.0, 16: 80.0})],
        "own dict",
    ),
]
