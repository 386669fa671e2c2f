"""Sequential specifications, against which concurrent histories are checked.

A specification has `initial` and a method for each call, `(state, *arguments) -> (result, state)`.
A method may also return a list of such pairs if several outcomes are right, and an empty list if
the call would wait. States are hashable and small.
"""

from linearizability import Call, Raised

WAITS: list = []


class Specification:
    """Dispatches calls to methods.

    If there is a key, it is the first argument and not part of the state.
    """

    initial: object = None

    def step(self, state, name, arguments):
        outcome = getattr(self, name)(state, *arguments)
        return outcome if isinstance(outcome, list) else [outcome]


class Keyed(Specification):
    """A structure in which each key (or index) is an independent object.

    The methods get the state of the key and the arguments after it.
    """

    @staticmethod
    def key(call: Call):
        return call.arguments[0]

    def step(self, state, name, arguments):
        return super().step(state, name, arguments[1:])


class Cell:
    """A cell that always holds a value: a slot of an array, a reference."""

    def get(self, state):
        return state, state

    def set(self, state, value):
        return None, value

    def get_and_set(self, state, value):
        return state, value

    def compare_and_set(self, state, expected, value):
        return (True, value) if state == expected else (False, state)

    def update_and_get(self, state, function):
        return function(state), function(state)

    def get_and_update(self, state, function):
        return state, function(state)


class ArraySlots(Cell, Keyed):
    """An array, one slot at a time."""

    def __init__(self, initial=0):
        self.initial = initial

    def add(self, state, n):
        return None, state + n

    def get_and_add(self, state, n):
        return state, state + n

    def add_and_get(self, state, n):
        return state + n, state + n


class Integer(Cell, Specification):
    """An integer that is read and changed atomically."""

    def __init__(self, initial=0):
        self.initial = initial

    def increment_and_get(self, state):
        return state + 1, state + 1

    def get_and_increment(self, state):
        return state, state + 1

    def decrement_and_get(self, state):
        return state - 1, state - 1

    def add_and_get(self, state, n):
        return state + n, state + n

    def get_and_add(self, state, n):
        return state, state + n


class Flag(Specification):
    """A boolean flag."""

    initial = False

    def test_and_set(self, state):
        return state, True

    def set(self, state):
        return None, True

    def clear(self, state):
        return None, False

    def is_set(self, state):
        return state, state


class Sum(Specification):
    """A striped sum.

    Reading visits one stripe after another, so it may see a later addition and miss an earlier one.
    If all additions have the same size this cannot be observed: every value between the sum before
    and the sum after corresponds to some order. With different sizes some values do not, so no
    striped sum is linearizable then, and ours does not claim to be.
    """

    initial = 0

    def add(self, state, n):
        return None, state + n

    def increment(self, state):
        return None, state + 1

    def sum(self, state):
        return state, state


ABSENT = "absent"


class Map(Keyed):
    """A map, one key at a time."""

    initial = ABSENT

    def get(self, state, default=None):
        return (default if state is ABSENT else state), state

    def getitem(self, state):
        return (Raised("KeyError") if state is ABSENT else state), state

    def contains(self, state):
        return state is not ABSENT, state

    def setitem(self, state, value):
        return None, value

    def delitem(self, state):
        return (Raised("KeyError") if state is ABSENT else None), ABSENT

    def pop(self, state, *default):
        if state is not ABSENT:
            return state, ABSENT
        return (default[0] if default else Raised("KeyError")), ABSENT

    def setdefault(self, state, default):
        return (default, default) if state is ABSENT else (state, state)

    def get_and_set(self, state, value):
        return (None if state is ABSENT else state), value

    def compare_and_set(self, state, expected, value):
        return (True, value) if state == expected else (False, state)

    def remove(self, state, expected):
        return (True, ABSENT) if state == expected else (False, state)

    def increment(self, state):
        """compute(key, lambda key, old: 1 if there was none, else old + 1)."""
        now = 1 if state is ABSENT else state + 1
        return now, now

    def merge_sum(self, state, n):
        """merge(key, n, add)."""
        now = n if state is ABSENT else state + n
        return now, now

    def absent_compute(self, state, value):
        """compute_if_absent(key, lambda key: value)."""
        return (value, value) if state is ABSENT else (state, state)

    def present_increment(self, state):
        """compute_if_present(key, lambda key, old: old + 1)."""
        return (None, ABSENT) if state is ABSENT else (state + 1, state + 1)


class Members(Keyed):
    """A set, one member at a time."""

    initial = False

    def add(self, state):
        return not state, True

    def discard(self, state):
        return state, False

    def remove(self, state):
        return (None if state else Raised("KeyError")), False

    def contains(self, state):
        return state, state


class Fifo(Specification):
    """A FIFO queue."""

    initial = ()

    def __init__(self, maxsize=0):
        self.maxsize = maxsize

    def full_now(self, state):
        return 0 < self.maxsize <= len(state)

    def put_nowait(self, state, item):
        return (Raised("Full"), state) if self.full_now(state) else (None, self.push(state, item))

    def get_nowait(self, state):
        return self.pull(state) if state else (Raised("Empty"), state)

    def put(self, state, item):
        return WAITS if self.full_now(state) else (None, self.push(state, item))

    def get(self, state):
        return self.pull(state) if state else WAITS

    def push(self, state, item):
        return (*state, item)

    def pull(self, state):
        return state[0], state[1:]


class Lifo(Fifo):
    """A LIFO queue."""

    def pull(self, state):
        return state[-1], state[:-1]


class Priority(Fifo):
    """A queue that returns the least item first."""

    def push(self, state, item):
        return tuple(sorted((*state, item)))


class Bag(Fifo):
    """A queue without order, for structures that only claim that nothing is lost or duplicated."""

    def push(self, state, item):
        return tuple(sorted((*state, item)))

    def get_nowait(self, state):
        if not state:
            return Raised("Empty"), state
        return [(item, state[:i] + state[i + 1 :]) for i, item in enumerate(state)]


class Rows(Specification):
    """An append-only list: the index of an item, and the item at an index."""

    initial = ()

    def append(self, state, item):
        return len(state), (*state, item)

    def get(self, state, index):
        return (state[index] if index < len(state) else Raised("IndexError")), state

    def len(self, state):
        return len(state), state


class Exclusion(Specification):
    """A lock. The state is whether it is held."""

    initial = False

    def acquire(self, state):
        return WAITS if state else (True, True)

    def try_acquire(self, state):
        return (False, True) if state else (True, True)

    def release(self, state):
        return (None, False) if state else (Raised("RuntimeError"), state)

    def locked(self, state):
        return state, state


class Permits(Specification):
    """A semaphore."""

    def __init__(self, initial=1):
        self.initial = initial

    def acquire(self, state):
        return (True, state - 1) if state else WAITS

    def try_acquire(self, state):
        return (True, state - 1) if state else (False, state)

    def release(self, state):
        return None, state + 1


class ReadersWriter(Specification):
    """A read-write lock. The state is the number of readers, or -1 for a writer."""

    initial = 0

    def acquire_read(self, state):
        return (True, state + 1) if state >= 0 else WAITS

    def release_read(self, state):
        return None, state - 1

    def acquire_write(self, state):
        return (True, -1) if state == 0 else WAITS

    def release_write(self, state):
        return None, 0
