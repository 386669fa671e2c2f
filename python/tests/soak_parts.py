"""Content of the soaked structures: counted objects, and keys and callbacks that misbehave."""

import gc
import random
import weakref
from collections import Counter
from dataclasses import dataclass, field


class Boom(Exception):
    """The exception that user code raises in the soak. It is expected everywhere."""


class Token:
    """A unique object: what goes in once must come out once. `soak.still_alive` counts them."""

    __slots__ = ("producer", "number", "__weakref__")

    def __init__(self, producer: int = 0, number: int = 0):
        self.producer = producer
        self.number = number

    def __lt__(self, other):
        return (self.number, self.producer) < (other.number, other.producer)


class ReentrantToken(Token):
    """An object whose finalizer uses the structure that held it.

    It holds a weak reference, because a finalizer that keeps its structure alive would not run.
    """

    __slots__ = ("touch", "structure")

    def __init__(self, structure, touch):
        super().__init__()
        self.structure = weakref.ref(structure)
        self.touch = touch

    def __del__(self):
        structure = self.structure()
        if structure is not None:
            try:
                self.touch(structure)
            except Exception:
                pass


class HostileKey:
    """A key that equals others of the same name and misbehaves.

    Its hash and comparison may raise, run the collector, or use the map that contains it.
    """

    __slots__ = ("name", "structure", "__weakref__")
    # Set while the final accounts are made: keys do not misbehave then.
    calm = False

    def __init__(self, name: int, structure):
        self.name = name
        self.structure = weakref.ref(structure)

    def misbehave(self):
        if HostileKey.calm:
            return
        chance = random.random()
        if chance < 0.05:
            raise Boom
        if chance < 0.06:
            gc.collect(0)
        elif chance < 0.10:
            structure = self.structure()
            if structure is not None:
                structure.get(int(chance * 1000)) if hasattr(structure, "get") else len(structure)

    def __hash__(self):
        self.misbehave()
        return self.name % 3

    def __eq__(self, other):
        self.misbehave()
        return isinstance(other, HostileKey) and self.name == other.name


def hostile_callback(function, structure, use):
    """Wraps a callback so that it sometimes raises, collects, or uses the calling structure."""

    def answer(*arguments):
        chance = random.random()
        if chance < 0.1:
            raise Boom
        if chance < 0.12:
            gc.collect(0)
        elif chance < 0.2:
            use(structure)
        return function(*arguments)

    return answer


@dataclass
class Log:
    """What one thread did, for the final accounts. Only its thread writes it."""

    thread: int
    operations: int = 0
    put: list = field(default_factory=list)
    got: list = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    made: int = 0

    def token(self) -> Token:
        self.made += 1
        return Token(self.thread, self.made)


def balance(logs, left) -> None:
    """Checks that everything that was put was got or is left, exactly once."""
    put = Counter(id(token) for log in logs for token in log.put)
    out = Counter(id(token) for log in logs for token in log.got)
    out.update(id(token) for token in left)
    lost, doubled = put - out, out - put
    assert not lost and not doubled, (
        f"{sum(lost.values())} lost, {sum(doubled.values())} doubled of {sum(put.values())}"
    )


def total(logs, key) -> int:
    return sum(log.counts[key] for log in logs)
