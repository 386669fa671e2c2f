"""Tests of the linearizability checker.

It rejects wrong histories, accepts right ones that look wrong, and finds the bugs of deliberately
broken structures. A checker that cannot fail proves nothing.
"""

import itertools
import random

import buggy_structures
import pytest
from history import check_random_rounds
from linearizability import PENDING, Call, NotLinearizable, Raised, check, linearize
from programs import keyed, new, plain, putting, random_program, small
from specifications import (
    ArraySlots,
    Exclusion,
    Fifo,
    Flag,
    Integer,
    Lifo,
    Map,
    Members,
    Permits,
    Priority,
    ReadersWriter,
    Rows,
    Sum,
)


def history(*lines):
    """Builds calls from (thread, invoked, returned, name, arguments, result)."""
    return [
        Call(t, name, arguments, result, begin, end)
        for t, begin, end, name, arguments, result in lines
    ]


WRONG = {
    "a read of what was overwritten before it began": (
        Integer(),
        (0, 1, 2, "set", (1,), None),
        (0, 3, 4, "set", (2,), None),
        (1, 5, 6, "get", (), 1),
    ),
    "two reads that see two writes in opposite orders": (
        Integer(),
        (0, 1, 9, "set", (1,), None),
        (1, 1, 9, "set", (2,), None),
        (2, 2, 3, "get", (), 1),
        (2, 4, 5, "get", (), 2),
        (3, 2, 3, "get", (), 2),
        (3, 4, 5, "get", (), 1),
    ),
    "a new value seen, then the old one": (
        Integer(),
        (0, 1, 9, "set", (1,), None),
        (1, 2, 3, "get", (), 1),
        (2, 4, 5, "get", (), 0),
    ),
    "a lost update": (
        Integer(),
        (0, 1, 4, "increment_and_get", (), 1),
        (1, 2, 5, "increment_and_get", (), 1),
    ),
    "two winners of one compare-and-set": (
        Integer(),
        (0, 1, 4, "compare_and_set", (0, 7), True),
        (1, 2, 5, "compare_and_set", (0, 8), True),
    ),
    "a swap whose old value two got": (
        ArraySlots(),
        (0, 1, 4, "get_and_set", (3, 7), 0),
        (1, 2, 5, "get_and_set", (3, 8), 0),
    ),
    "a flag that two raised first": (
        Flag(),
        (0, 1, 4, "test_and_set", (), False),
        (1, 2, 5, "test_and_set", (), False),
    ),
    "a sum that misses what was added before it was asked": (
        Sum(),
        (0, 1, 2, "add", (1,), None),
        (1, 3, 4, "sum", (), 0),
    ),
    "an item that two got": (
        Fifo(),
        (0, 1, 2, "put", ("a",), None),
        (1, 3, 6, "get_nowait", (), "a"),
        (2, 4, 7, "get_nowait", (), "a"),
    ),
    "a queue that is empty while it is not": (
        Fifo(),
        (0, 1, 2, "put", ("a",), None),
        (1, 3, 4, "get_nowait", (), Raised("Empty")),
    ),
    "a queue that is full while it is not": (
        Fifo(1),
        (0, 1, 2, "put", ("a",), None),
        (0, 3, 4, "get", (), "a"),
        (1, 5, 6, "put_nowait", ("b",), Raised("Full")),
    ),
    "one too many in a bounded queue": (
        Fifo(1),
        (0, 1, 4, "put", ("a",), None),
        (1, 2, 5, "put", ("b",), None),
    ),
    "two items of one producer reversed": (
        Fifo(),
        (0, 1, 2, "put", ("a",), None),
        (0, 3, 4, "put", ("b",), None),
        (1, 5, 6, "get", (), "b"),
        (1, 7, 8, "get", (), "a"),
    ),
    "a stack served as a queue": (
        Lifo(),
        (0, 1, 2, "put", ("a",), None),
        (0, 3, 4, "put", ("b",), None),
        (1, 5, 6, "get", (), "a"),
    ),
    "the greater first": (
        Priority(),
        (0, 1, 2, "put", (2,), None),
        (1, 1, 2, "put", (1,), None),
        (0, 3, 4, "get", (), 2),
    ),
    "a key that two inserted": (
        Map(),
        (0, 1, 4, "setdefault", ("k", 1), 1),
        (1, 2, 5, "setdefault", ("k", 2), 2),
    ),
    "a deleted key that comes back": (
        Map(),
        (0, 1, 2, "setitem", ("k", 1), None),
        (0, 3, 4, "delitem", ("k",), None),
        (1, 5, 6, "get", ("k",), 1),
    ),
    "a key popped twice": (
        Map(),
        (0, 1, 2, "setitem", ("k", 1), None),
        (0, 3, 6, "pop", ("k",), 1),
        (1, 4, 7, "pop", ("k",), 1),
    ),
    "a member that two added first": (
        Members(),
        (0, 1, 4, "add", ("m",), True),
        (1, 2, 5, "add", ("m",), True),
    ),
    "two in the critical section": (
        Exclusion(),
        (0, 1, 2, "acquire", (), True),
        (1, 3, 4, "acquire", (), True),
        (0, 5, 6, "release", (), None),
    ),
    "one permit for two": (
        Permits(1),
        (0, 1, 2, "acquire", (), True),
        (1, 1, 3, "acquire", (), True),
        (0, 4, 5, "release", (), None),
    ),
    "a reader beside a writer": (
        ReadersWriter(),
        (0, 1, 2, "acquire_write", (), True),
        (1, 3, 4, "acquire_read", (), True),
        (0, 5, 6, "release_write", (), None),
    ),
    "one place for two": (
        Rows(),
        (0, 1, 4, "append", ("a",), 0),
        (1, 2, 5, "append", ("b",), 0),
    ),
    "an appended item that cannot be read": (
        Rows(),
        (0, 1, 2, "append", ("a",), 0),
        (1, 3, 4, "get", (0,), Raised("IndexError")),
    ),
    "True where it was 1": (Integer(), (0, 1, 2, "set", (1,), None), (0, 3, 4, "get", (), True)),
}

RIGHT = {
    "a read beside a write sees the old": (
        Integer(),
        (0, 1, 9, "set", (1,), None),
        (1, 2, 3, "get", (), 0),
        (2, 4, 5, "get", (), 1),
    ),
    "a later call overtakes an earlier one that it runs beside": (
        Fifo(),
        (0, 1, 9, "put", ("a",), None),
        (1, 2, 3, "put", ("b",), None),
        (2, 4, 5, "get", (), "b"),
        (2, 6, 8, "get", (), "a"),
    ),
    "a get that began before the put": (
        Fifo(),
        (0, 1, 9, "get", (), "a"),
        (1, 5, 6, "put", ("a",), None),
    ),
    "a put that never returned, got": (
        Fifo(),
        (0, 1, float("inf"), "put", ("a",), PENDING),
        (1, 5, 6, "get", (), "a"),
    ),
    "a put that never returned, not there": (
        Fifo(),
        (0, 1, float("inf"), "put", ("a",), PENDING),
        (1, 5, 6, "get_nowait", (), Raised("Empty")),
    ),
    "keys apart": (
        Map(),
        (0, 1, 2, "setitem", ("k", 1), None),
        (1, 3, 4, "setitem", ("l", 2), None),
        (0, 5, 6, "get", ("k",), 1),
        (1, 7, 8, "get", ("l",), 2),
        (1, 9, 10, "get", ("m",), None),
    ),
    "the same tick orders nothing": (
        Integer(),
        (0, 1, 2, "set", (1,), None),
        (1, 2, 3, "get", (), 0),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_history_is_rejected(name):
    specification, *lines = WRONG[name]
    with pytest.raises(NotLinearizable):
        check(history(*lines), specification)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_history_is_accepted(name):
    specification, *lines = RIGHT[name]
    check(history(*lines), specification)


def brute_force(calls, specification):
    """Tries every order one by one; the search must agree with the result."""
    for order in itertools.permutations(calls):
        if any(
            late.returned < early.invoked
            for i, early in enumerate(order)
            for late in order[i + 1 :]
        ):
            continue
        states = [specification.initial]
        for call in order:
            states = [
                after
                for state in states
                for result, after in specification.step(state, call.name, call.arguments)
                if type(result) is type(call.result) and result == call.result
            ]
        if states:
            return True
    return False


@pytest.mark.parametrize("seed", range(20))
def test_the_search_agrees_with_trying_every_order(seed):
    rng = random.Random(seed)
    agreed = {True: 0, False: 0}
    for _ in range(40):
        calls = []
        for thread in range(3):
            time_now = rng.randrange(3)
            for _ in range(2):
                begin = time_now + rng.randrange(4)
                time_now = begin + 1 + rng.randrange(4)
                if rng.random() < 0.5:
                    calls.append(Call(thread, "put", (rng.randrange(3),), None, begin, time_now))
                else:
                    result = rng.choice([0, 1, 2, Raised("Empty")])
                    calls.append(Call(thread, "get_nowait", (), result, begin, time_now))
        expected = brute_force(calls, Fifo())
        assert (linearize(calls, Fifo()) is not None) == expected
        agreed[expected] += 1
    assert all(agreed.values()), "both answers must have occurred"


TWINS = {
    buggy_structures.CounterOfTwoSteps: (
        Integer(),
        random_program(plain("increment_and_get"), plain("get")),
    ),
    buggy_structures.SlotsSwappedInTwoSteps: (
        ArraySlots(),
        random_program(keyed("get_and_set", [0, 1], new), keyed("get", [0, 1])),
    ),
    buggy_structures.SlotsComparedThenSet: (
        ArraySlots(),
        random_program(keyed("compare_and_set", [0], small, small), keyed("get", [0])),
    ),
    buggy_structures.MapCheckedThenActed: (
        Map(),
        random_program(
            keyed("setdefault", "ab", new), keyed("get", "ab"), keyed("pop", "ab", lambda rng: None)
        ),
    ),
    buggy_structures.MapThatForgetsWhileItGrows: (
        Map(),
        random_program(keyed("setitem", "ab", new), keyed("get", "ab")),
    ),
    buggy_structures.QueueThatLosesAnItem: (
        Fifo(),
        random_program(putting("put"), plain("get_nowait")),
    ),
    buggy_structures.QueueThatIsEmptyTooEarly: (
        Fifo(),
        random_program(putting("put"), plain("get_nowait")),
    ),
    buggy_structures.StackServedAsQueue: (
        Lifo(),
        random_program(putting("put"), plain("get_nowait")),
    ),
    buggy_structures.HeapThatReadsThenRemoves: (
        Priority(),
        random_program(putting("put"), plain("get_nowait")),
    ),
    buggy_structures.SetThatLooksThenAdds: (
        Members(),
        random_program(keyed("add", "a"), keyed("discard", "a")),
    ),
    buggy_structures.LockTakenByTwo: (Exclusion(), random_program(plain("try_acquire"), calls=2)),
    buggy_structures.RowsWhoseLengthComesFirst: (Rows(), random_program(putting("append"))),
}


@pytest.mark.parametrize("twin", TWINS)
def test_known_bugs_are_found(twin):
    specification, program = TWINS[twin]
    # A few rounds suffice; this many without a finding mean that the checker is broken.
    with pytest.raises(NotLinearizable) as found:
        for _ in range(100):
            check_random_rounds(twin, program, specification, rounds=50)
    assert "seed" in found.value.__notes__[0]
