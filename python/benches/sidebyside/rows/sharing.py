"""Rows for attributes of one object that all threads read."""

from itertools import repeat
from typing import Any

from .. import packages
from ..row import Bar, Contender, Row
from ..timing import Timed, Work
from .common import Instance, a_string, an_instance


def attribute(wrap: Any, value: Any) -> Any:
    def make(n_threads: int) -> Work:
        o = Instance()
        o.x = value(0)
        o = wrap()(o)

        def prepare() -> Timed:
            def loop(rounds: int) -> None:
                for _ in repeat(None, rounds):
                    o.x

            return loop

        return Work([prepare] * n_threads)

    return make


def attribute_own(value: Any) -> Any:
    def make(n_threads: int) -> Work:
        def prepare() -> Timed:
            o = Instance()
            o.x = value(0)

            def loop(rounds: int) -> None:
                for _ in repeat(None, rounds):
                    o.x

            return loop

        return Work([prepare] * n_threads)

    return make


def as_it_is() -> Any:
    return lambda o: o


def shared() -> Any:
    return packages.ungil("share")


def _reads(name: str, value: Any, bars: list[Bar]) -> Row:
    return Row(
        f"share, {name}",
        "o.x, one object that all threads read",
        [
            Contender("ungil", attribute(shared, value)),
            Contender("o.x", attribute(as_it_is, value)),
            Contender("own o.x", attribute_own(value)),
        ],
        1,
        bars,
        "own o.x",
    )


ROWS = [
    _reads("instance attribute", an_instance, [Bar("ungil", "o.x", {1: 1.0, 2: 2.0, 16: 80.0})]),
    _reads("string attribute", a_string, []),
]
