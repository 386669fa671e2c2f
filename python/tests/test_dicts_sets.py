"""ConcurrentSet as a set, and iteration during changes by other threads."""

import collections.abc
import copy
import pickle
import threading

import pytest
from test_dicts_atomic import run_in_threads

from ungil import ConcurrentDict, ConcurrentSet


def test_the_protocol():
    s = ConcurrentSet("abc")
    assert (
        isinstance(s, collections.abc.MutableSet)
        and len(s) == 3
        and "a" in s
        and "z" not in s
        and 1.0 in ConcurrentSet([1])
    )
    assert (
        s.add("d") is True
        and s.add("d") is False
        and s.discard("d") is True
        and s.discard("d") is False
    )
    s.remove("a")
    with pytest.raises(KeyError):
        s.remove("a")
    with pytest.raises(TypeError):
        s.add([])
    assert {s.pop(), s.pop()} == {"b", "c"}
    with pytest.raises(KeyError):
        s.pop()
    s.update("xy", [1])
    assert s == {"x", "y", 1} and s.snapshot() == frozenset({"x", "y", 1})
    assert (
        repr(ConcurrentSet([1])) == "ConcurrentSet([1])"
        and repr(ConcurrentSet()) == "ConcurrentSet([])"
    )
    for twin in (s.copy(), copy.copy(s), copy.deepcopy(s), pickle.loads(pickle.dumps(s))):
        assert twin == s and twin is not s and type(twin) is ConcurrentSet
    with pytest.raises(TypeError):
        hash(s)
    s.clear()
    assert not s and s == set() and s != [] and ConcurrentSet[int].__origin__ is ConcurrentSet


@pytest.mark.parametrize(
    "other", [{2, 3}, frozenset({2, 3}), ConcurrentSet([2, 3]), {2: 0, 3: 0}.keys()]
)
def test_algebra(other):
    s = ConcurrentSet([1, 2])
    assert s | other == {1, 2, 3} == other | s and s & other == {2} == other & s
    assert s - other == {1} and other - s == {3} and s ^ other == {1, 3} == other ^ s
    assert (
        not s <= other
        and not s > other
        and s <= {1, 2, 3}
        and s < {1, 2, 3}
        and s >= {1}
        and s > {1}
    )
    assert (
        s.isdisjoint([5])
        and not s.isdisjoint(other)
        and s.issubset([1, 2, 3])
        and s.issuperset([1])
    )
    assert (
        s.union([3], [4]) == {1, 2, 3, 4}
        and s.intersection([2], [2, 3]) == {2}
        and s.difference([1]) == {2}
    )
    assert s.symmetric_difference([2, 3]) == {1, 3}
    for change, result in (("|", {1, 2, 3}), ("&", {2}), ("-", {1}), ("^", {1, 3})):
        t = same = ConcurrentSet([1, 2])
        exec(f"t {change}= other", names := {"t": t, "other": other})
        assert names["t"] is same and same == result
    t = ConcurrentSet([1, 2])
    t -= t
    assert not t
    t = ConcurrentSet([1, 2])
    t ^= t
    assert not t
    with pytest.raises(TypeError):
        s | [1]


def test_one_thread_adds_each_element():
    s, wins = ConcurrentSet(), [0] * 4

    def work(index):
        wins[index] = sum(s.add(n) for n in range(3000))

    run_in_threads(4, work)
    assert sum(wins) == 3000 == len(s)

    def take(index):
        wins[index] = sum(s.discard(n) for n in range(3000))

    run_in_threads(4, take)
    assert sum(wins) == 3000 and not s


def test_iteration_yields_permanent_elements_once_and_never_fails():
    d = ConcurrentDict((n, n) for n in range(2000))
    stop = threading.Event()

    def work(index):
        if index:
            n = index * 10**6
            while not stop.is_set():
                n += 1
                d[n] = n
                d[n % 2000] = n
                d.pop(n - 3000, None)
            return
        try:
            for _ in range(15):
                for view in (d.keys(), [k for k, _ in d.items()], d.snapshot()):
                    keys = list(view)
                    assert len(keys) == len(set(keys))
                    assert set(range(2000)) <= set(keys)
                assert len(list(d.values())) >= 2000
        finally:
            stop.set()

    run_in_threads(3, work)


def test_threads_may_share_an_iterator():
    iterator, seen = iter(ConcurrentDict.fromkeys(range(5000))), [[] for _ in range(4)]
    run_in_threads(4, lambda index: seen[index].extend(iterator))
    assert sorted(sum(seen, [])) == list(range(5000)) and next(iterator, None) is None


def test_no_insertion_is_lost_while_the_map_grows():
    d = ConcurrentDict()

    def work(index):
        for n in range(index, 40_000, 4):
            d[n] = str(n)
            assert d[n] == str(n)
            if n % 3 == 0:
                del d[n]

    run_in_threads(4, work)
    assert d == {n: str(n) for n in range(40_000) if n % 3}


def test_popitem_returns_each_entry_once():
    d, taken = ConcurrentDict((n, -n) for n in range(8000)), [[] for _ in range(4)]

    def work(index):
        try:
            while True:
                taken[index].append(d.popitem())
        except KeyError:
            pass

    run_in_threads(4, work)
    assert sorted(sum(taken, [])) == [(n, -n) for n in range(8000)] and not d


def test_slow_key_comparison_during_changes():
    class Key:
        def __init__(self, n):
            self.n = n

        def __hash__(self):
            return self.n % 8

        def __eq__(self, other):
            d.get("other")
            return isinstance(other, Key) and self.n == other.n

    d = ConcurrentDict()

    def work(index):
        for n in range(200):
            key = index * 1000 + n % 20
            d[Key(key)] = n
            assert d[Key(key)] == n
            d[n] = n
            if n % 2:
                assert d.pop(Key(key)) == n

    run_in_threads(4, work)
    assert all(d[n] == n for n in range(200))
