"""What the threads of a round do: a few calls each, drawn at random, on one or two keys. Values are told apart wherever they are
put, so that it shows which write a read saw."""

import itertools
import random

_fresh = itertools.count(1)


def fresh() -> int:
    """A value that nothing else in the run has."""
    return next(_fresh)


def drawing(*kinds, calls=5):
    """A program of that many calls, each drawn from `kinds`: functions from a source of chance to (name, arguments)."""

    def program(rng: random.Random, thread: int):
        return [rng.choice(kinds)(rng) for _ in range(calls)]

    return program


def plain(name, *arguments):
    """Always the same call."""
    return lambda rng: (name, arguments)


def keyed(name, keys, *makers):
    """A call on one of `keys`, and what `makers` make after it."""
    return lambda rng: (name, (rng.choice(keys), *(make(rng) for make in makers)))


def putting(name):
    """A call with a value of its own."""
    return lambda rng: (name, (fresh(),))


def new(rng):
    return fresh()


def small(rng):
    """One of few, so that comparisons sometimes succeed."""
    return rng.randrange(3)
