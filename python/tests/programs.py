"""Random programs for the threads of a round: a few calls each, on one or two keys.

Every value that is stored is unique, so that a read shows which write it saw.
"""

import itertools
import random

_fresh = itertools.count(1)


def unique_value() -> int:
    """Returns a value that occurs nowhere else in the run."""
    return next(_fresh)


def random_program(*kinds, calls=5):
    """Returns a program of that many calls, each drawn from `kinds`.

    Each kind is a function from a random generator to (name, arguments).
    """

    def program(rng: random.Random, thread: int):
        return [rng.choice(kinds)(rng) for _ in range(calls)]

    return program


def plain(name, *arguments):
    """Always make the same call."""
    return lambda rng: (name, arguments)


def keyed(name, keys, *makers):
    """Makes a call on one of `keys`, with the arguments that `makers` create after the key."""
    return lambda rng: (name, (rng.choice(keys), *(make(rng) for make in makers)))


def putting(name):
    """Makes a call with a unique value."""
    return lambda rng: (name, (unique_value(),))


def new(rng):
    return unique_value()


def small(rng):
    """Returns one of a few small values, so that comparisons sometimes succeed."""
    return rng.randrange(3)
