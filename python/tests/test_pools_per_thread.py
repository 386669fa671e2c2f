"""PerThread: one value for each thread."""

import gc
import operator
import threading
import weakref

import pytest
from deadlines import join

from ungil import PerThread, ThreadPool


def in_threads(count, work):
    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    join(*threads)


def test_each_thread_has_its_own_value():
    mine = PerThread(list)
    mine.get().append(0)
    assert mine() is mine.get()
    here = mine()
    others = []
    in_threads(5, lambda i: (mine().append(i), others.append(mine())))
    assert all(other is not here for other in others)
    assert len({id(other) for other in others}) == 5
    assert mine() == [0]


def test_values_of_ended_threads_are_kept():
    mine = PerThread(list)
    for _ in range(10):
        in_threads(4, lambda i: mine().append(i))
    assert sorted(mine.combine(operator.add, [])) == sorted([0, 1, 2, 3] * 10)
    assert len(mine.values()) == 40
    assert len(mine.take()) == 40
    assert mine.values() == []


def test_a_later_thread_does_not_get_the_value_of_an_ended_one():
    mine = PerThread(list)
    empty = []
    for _ in range(20):
        in_threads(1, lambda i: (empty.append(not mine()), mine().append(i)))
    assert all(empty)
    assert len(mine.values()) == 20


def test_set_and_clear():
    total = PerThread(int)
    in_threads(4, lambda i: [total.set(total() + 1) for _ in range(1000)])
    assert total.combine(operator.add) == 4000
    total.clear()
    assert total.values() == []
    assert total.combine(operator.add, 5) == 5
    with pytest.raises(TypeError, match="no values"):
        total.combine(operator.add)
    with pytest.raises(TypeError, match="at most one"):
        total.combine(operator.add, 1, 2)
    assert total.combine(operator.add, None) is None
    assert total() == 0


@pytest.mark.parametrize(
    "value", [0, 1, -5, 2**61, 2**100, 1.5, 0.0, 1e300, None, True, "text", b"bytes", (1,)]
)
def test_any_value_comes_back(value):
    kept = PerThread(lambda: value)
    assert kept() == value and type(kept()) is type(value)
    assert kept.values() == [value]


def test_values_can_be_read_while_threads_work_and_end():
    mine = PerThread(list)
    stop = threading.Event()
    failures = []

    def read():
        while not stop.wait(0.001):
            if not all(type(value) is list for value in mine.values()):
                failures.append(1)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        in_threads(4, lambda i: [mine().append(i) for _ in range(20)])
    stop.set()
    join(reader)
    assert not failures
    assert sum(map(len, mine.values())) == 20 * 4 * 20


def test_each_value_is_taken_once():
    mine = PerThread(list)
    taken = []
    stop = threading.Event()

    def take():
        while not stop.wait(0.001):
            taken.extend(mine.take())

    takers = [threading.Thread(target=take) for _ in range(2)]
    for taker in takers:
        taker.start()
    for _ in range(15):
        in_threads(4, lambda i: mine().append(i))
    stop.set()
    join(*takers)
    taken.extend(mine.take())
    assert len({id(value) for value in taken}) == len(taken) == 60
    assert sum(map(len, taken)) == 60


def test_failing_and_reentrant_factories():
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        PerThread(fail)()
    with pytest.raises(TypeError, match="callable"):
        PerThread(5)
    depth = []

    def nested():
        depth.append(1)
        return itself() if len(depth) < 3 else "bottom"

    itself = PerThread(nested)
    assert itself() == "bottom"
    assert itself.values() == ["bottom"]


def test_a_cycle_through_it_is_freed():
    class Thing:
        pass

    thing = Thing()
    thing.mine = PerThread(lambda: thing)
    assert thing.mine() is thing
    in_threads(2, lambda _: thing.mine())
    gone = weakref.ref(thing)
    del thing
    gc.collect()
    gc.collect()
    assert gone() is None


def test_values_made_by_ended_threads_are_freed_here():
    class Thing:
        pass

    refs = []

    def make(i):
        refs.append(weakref.ref(mine()))

    mine = PerThread(Thing)
    in_threads(5, make)
    assert all(ref() for ref in refs)
    mine.clear()
    gc.collect()
    assert not any(ref() for ref in refs)


def test_with_a_pool():
    counts = PerThread(dict)

    def count(word):
        mine = counts()
        mine[word] = mine.get(word, 0) + 1

    with ThreadPool(3) as pool:
        pool.parallel_for(count, ["a", "b", "b"] * 1000)

    def merge(a, b):
        return {word: a.get(word, 0) + b.get(word, 0) for word in a | b}

    assert counts.combine(merge, {}) == {"a": 1000, "b": 2000}


def test_generic_and_repr():
    assert PerThread[int].__origin__ is PerThread
    mine = PerThread(int)
    mine()
    assert repr(mine) == "<PerThread: values of 1 threads>"
