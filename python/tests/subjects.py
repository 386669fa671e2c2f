"""Adapters that give our structures the method names of their specifications."""

import operator
import os
import random

import ungil


class Key:
    """A key with a slow `__eq__` in Python; all keys have the same hash.

    Other threads run in the middle of any operation that compares it.
    """

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __hash__(self):
        return 7

    def __eq__(self, other):
        if random.random() < 0.1:
            os.sched_yield()
        return isinstance(other, Key) and self.name == other.name

    def __repr__(self):
        return f"Key({self.name!r})"


def slow(function):
    """Wraps a callback so that it sometimes lets other threads run first."""

    def answer(*arguments):
        if random.random() < 0.2:
            os.sched_yield()
        return function(*arguments)

    return answer


class Subject:
    """Forwards everything that it does not define."""

    def __init__(self, structure):
        self.structure = structure

    def __getattr__(self, name):
        return getattr(self.structure, name)


class Slots(Subject):
    """Adapter of Array."""

    def get(self, i):
        return self.structure[i]

    def set(self, i, value):
        self.structure[i] = value

    def update_and_get(self, i, n):
        return self.structure.update(i, slow(lambda old: old + n))


class Mapping(Subject):
    """Adapter of ConcurrentDict."""

    def getitem(self, key):
        return self.structure[key]

    def setitem(self, key, value):
        self.structure[key] = value

    def delitem(self, key):
        del self.structure[key]

    def contains(self, key):
        return key in self.structure

    def increment(self, key):
        return self.structure.compute(key, slow(lambda key, old: 1 if old is None else old + 1))

    def merge_sum(self, key, n):
        return self.structure.merge(key, n, slow(operator.add))

    def absent_compute(self, key, value):
        return self.structure.compute_if_absent(key, slow(lambda key: value))

    def present_increment(self, key):
        return self.structure.compute_if_present(key, slow(lambda key, old: old + 1))


class Members(Subject):
    """Adapter of ConcurrentSet."""

    def contains(self, member):
        return member in self.structure


class Rows(Subject):
    """Adapter of AppendList."""

    def get(self, index):
        return self.structure[index]

    def len(self):
        return len(self.structure)


class Lock(Subject):
    """Adapter of Lock, RLock and Semaphore."""

    def try_acquire(self):
        return self.structure.acquire(False)


def locked(other=lambda rng: []):
    """Returns a program that acquires and releases the lock three times.

    Waits for the lock; `other` makes the calls in between.
    """

    def program(rng, thread):
        return [call for _ in range(3) for call in (("acquire", ()), *other(rng), ("release", ()))]

    return program


def array(*items):
    return Slots(ungil.Array(items))
