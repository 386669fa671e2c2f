"""Structures with the interfaces of ours, each with a typical bug that the checker must find.

A short sleep widens each race, so that another thread hits it within a few rounds.
"""

import threading
import time
from collections import deque


def window() -> None:
    time.sleep(0.00005)


class CounterOfTwoSteps:
    """`n += 1`: a load, then a store."""

    def __init__(self):
        self.value = 0

    def increment_and_get(self):
        now = self.value + 1
        window()
        self.value = now
        return now

    def get(self):
        return self.value


class SlotsSwappedInTwoSteps:
    """A swap as a read and a write."""

    def __init__(self):
        self.slots = [0, 0]

    def get_and_set(self, i, value):
        old = self.slots[i]
        window()
        self.slots[i] = value
        return old

    def get(self, i):
        return self.slots[i]


class SlotsComparedThenSet:
    """compare_and_set that checks, then sets."""

    def __init__(self):
        self.slots = [0, 0]

    def compare_and_set(self, i, expected, value):
        if self.slots[i] != expected:
            return False
        window()
        self.slots[i] = value
        return True

    def get(self, i):
        return self.slots[i]


class MapCheckedThenActed:
    """setdefault that checks, then sets."""

    def __init__(self):
        self.data = {}

    def setdefault(self, key, value):
        if key not in self.data:
            window()
            self.data[key] = value
        return self.data[key]

    def get(self, key):
        return self.data.get(key)

    def pop(self, key, default):
        return self.data.pop(key, default)


class MapThatForgetsWhileItGrows(MapCheckedThenActed):
    """Copies itself to grow, and loses what is set meanwhile."""

    def setitem(self, key, value):
        copy = dict(self.data)
        window()
        copy[key] = value
        self.data = copy

    def setdefault(self, key, value):
        return self.data.setdefault(key, value)


class QueueThatLosesAnItem:
    """A getter that takes all items and puts the rest back, overwriting what was put meanwhile."""

    def __init__(self):
        self.items = []

    def put(self, item):
        self.items.append(item)

    def get_nowait(self):
        items, self.items = self.items, []
        if not items:
            raise Empty
        first, *rest = items
        window()
        self.items = rest
        return first


class QueueThatIsEmptyTooEarly:
    """A queue that reports Empty although it holds an item.

    A put claims its slot before it fills it. A getter gives up at a claimed but unfilled slot, even
    if a later one is filled.
    """

    def __init__(self):
        self.cells = {}
        self.lock = threading.Lock()
        self.tail = self.head = 0

    def put(self, item):
        with self.lock:
            index = self.tail
            self.tail += 1
        window()
        self.cells[index] = item

    def get_nowait(self):
        with self.lock:
            if self.head not in self.cells:
                raise Empty
            self.head += 1
            return self.cells.pop(self.head - 1)


class StackServedAsQueue:
    """A stack that returns its items in FIFO order."""

    def __init__(self):
        self.items = deque()

    def put(self, item):
        self.items.append(item)

    def get_nowait(self):
        try:
            return self.items.popleft()
        except IndexError:
            raise Empty from None


class HeapThatReadsThenRemoves:
    """Finds the least item, then removes it: two getters can find the same one."""

    def __init__(self):
        self.items = []

    def put(self, item):
        self.items.append(item)

    def get_nowait(self):
        if not self.items:
            raise Empty
        least = min(self.items)
        window()
        try:
            self.items.remove(least)
        except ValueError:
            pass
        return least


class SetThatLooksThenAdds:
    """add() that decides whether the member is new a moment before it adds it."""

    def __init__(self):
        self.members = set()

    def add(self, member):
        new = member not in self.members
        window()
        self.members.add(member)
        return new

    def discard(self, member):
        try:
            self.members.remove(member)
        except KeyError:
            return False
        return True


class LockTakenByTwo:
    """Checks whether it is free, then acquires."""

    def __init__(self):
        self.held = False

    def try_acquire(self):
        if self.held:
            return False
        window()
        self.held = True
        return True

    def locked(self):
        return self.held


class RowsWhoseLengthComesFirst:
    """append() that reads the length, then appends."""

    def __init__(self):
        self.items = []

    def append(self, item):
        index = len(self.items)
        window()
        self.items.append(item)
        return index


class Empty(Exception):
    """Same name as `queue.Empty`."""
