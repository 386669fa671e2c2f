"""Store buffering: two threads each write their own object, then read the other's.

If a write is visible to all threads before its call returns, at least one of them sees the other's
write. A processor may hold an ordinary store back in its store buffer for a microsecond while the
thread reads on: then both read the old values, and a history of such calls is not linearizable.
"""

import sys

import pytest
from concurrently import concurrently
from history import StartGate, pin_to_processor

import ungil

ROUNDS = 20_000

SUBJECTS = {
    "flag": (ungil.AtomicFlag, ungil.AtomicFlag.set, ungil.AtomicFlag.is_set),
    "int": (ungil.AtomicInt, lambda one: one.set(1), ungil.AtomicInt.get),
    "ref": (ungil.AtomicRef, lambda one: one.set(1), ungil.AtomicRef.get),
    "event": (ungil.Event, ungil.Event.set, ungil.Event.is_set),
    "ints": (
        lambda: ungil.Array(1, "q"),
        lambda one: one.__setitem__(0, 1),
        lambda one: one[0],
    ),
    "floats": (
        lambda: ungil.Array(1, "d"),
        lambda one: one.__setitem__(0, 1.0),
        lambda one: one[0],
    ),
    "objects": (
        lambda: ungil.Array([None]),
        lambda one: one.__setitem__(0, 1),
        lambda one: one[0],
    ),
    "dict": (ungil.ConcurrentDict, lambda one: one.__setitem__(0, 1), lambda one: one.get(0)),
    "dict length": (ungil.ConcurrentDict, lambda one: one.__setitem__(0, 1), len),
    "lock": (ungil.Lock, ungil.Lock.acquire, ungil.Lock.locked),
    "queue": (ungil.Queue, lambda one: one.put(1), ungil.Queue.qsize),
}


@pytest.mark.skipif(sys._is_gil_enabled(), reason="with the GIL, no two calls overlap")
@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_write_is_visible_before_its_call_returns(subject):
    make, write, read = SUBJECTS[subject]
    rounds = [(make(), make()) for _ in range(ROUNDS)]
    gate = StartGate(2)

    def write_and_read(index):
        pin_to_processor(index)
        seen = []
        for number, pair in enumerate(rounds):
            mine, other = pair[index], pair[1 - index]
            gate.wait_for_all(index, number)
            write(mine)
            seen.append(read(other))
        return seen

    pairs = zip(*concurrently(lambda: write_and_read(0), lambda: write_and_read(1)), strict=True)
    reordered = sum(1 for one, other in pairs if not one and not other)
    assert reordered == 0, (
        f"in {reordered} of {ROUNDS} rounds, neither thread saw the other's write"
    )
