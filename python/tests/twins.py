"""Twins of our structures, each with a bug that such structures have had: what the checker must find. Their windows are held open by
a short sleep, so that another thread falls in within a few rounds."""

import threading
import time
from collections import deque


def window() -> None:
    time.sleep(0.00005)


class CounterOfTwoSteps:
    """`n += 1`: loads, then stores."""

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
    """A swap made of a read and a write."""

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
    """A compare-and-set that looks, then sets."""

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
    """setdefault that looks, then sets."""

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
    """Copies itself to grow, and drops what is set meanwhile."""

    def setitem(self, key, value):
        copy = dict(self.data)
        window()
        copy[key] = value
        self.data = copy

    def setdefault(self, key, value):
        return self.data.setdefault(key, value)


class QueueThatLosesAnItem:
    """A getter that takes all and puts the rest back, over what was put meanwhile."""

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
    """A put that claims its place, then fills it; a getter that gives up at a claimed, unfilled place though a later one is filled."""

    def __init__(self):
        self.cells = {}
        self.lock = threading.Lock()
        self.tail = self.head = 0

    def put(self, item):
        with self.lock:
            place = self.tail
            self.tail += 1
        window()
        self.cells[place] = item

    def get_nowait(self):
        with self.lock:
            if self.head not in self.cells:
                raise Empty
            self.head += 1
            return self.cells.pop(self.head - 1)


class StackServedAsQueue:
    """First in, first out."""

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
    """The least item is found, then taken: two find the same."""

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
    """add() that says whether the member was new, a moment later."""

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
    """Looks whether it is free, then takes it."""

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
    """append() that gives the length, then appends."""

    def __init__(self):
        self.items = []

    def append(self, item):
        place = len(self.items)
        window()
        self.items.append(item)
        return place


class Empty(Exception):
    """As `queue.Empty`."""
