import copy
import gc
import pickle
import sys
import weakref
from collections.abc import Sequence

import pytest
from test_atomics import Node, in_threads

from ungil import AppendList, AtomicInt


def test_append_returns_a_stable_index():
    items = AppendList()
    for i in range(1000):
        assert items.append(f"item {i}") == i and len(items) == i + 1
    assert items[0] == "item 0" and items[-1] == "item 999" and items[500] == "item 500"


def test_extend_returns_the_first_index():
    items = AppendList("ab")
    assert (
        items.extend(range(100)) == 2
        and items.extend([]) == 102
        and items.extend(iter("xy")) == 102
    )
    items += "z"
    assert list(items) == ["a", "b", *range(100), "x", "y", "z"]
    assert items.extend(items) == 105 and len(items) == 210
    with pytest.raises(TypeError):
        items.extend(5)


def test_items_that_raise_half_way_are_not_appended():
    def some():
        yield 1
        raise ZeroDivisionError

    items = AppendList([0])
    with pytest.raises(ZeroDivisionError):
        items.extend(some())
    assert list(items) == [0]


@pytest.mark.parametrize(
    "index, error",
    [
        (3, IndexError),
        (-4, IndexError),
        (2**100, IndexError),
        (sys.maxsize, IndexError),
        (-sys.maxsize - 1, IndexError),
        ("0", TypeError),
        (1.0, TypeError),
    ],
)
def test_invalid_indices_are_rejected(index, error):
    items = AppendList("abc")
    with pytest.raises(error):
        items[index]
    with pytest.raises(error):
        items[index] = 1
    with pytest.raises(error):
        items.compare_and_set(index, 1, 1)


def test_items_are_replaced_in_place():
    items = AppendList([1, "b", 1000])
    items[0] = "a"
    assert (
        items.get_and_set(-1, "c") == 1000
        and items.compare_and_set(1, "b", 2.5)
        and not items.compare_and_set(1, "b", 3)
    )
    assert items.update(1, lambda x: x * 2) == 5.0 and items.snapshot() == ["a", 5.0, "c"]
    with pytest.raises(TypeError):
        del items[0]
    with pytest.raises(TypeError):
        items[0:1] = [1]


def test_it_is_a_sequence():
    items = AppendList("abcab")
    assert isinstance(items, Sequence) and "c" in items and "x" not in items
    assert (
        items.index("b", 2) == 4
        and items.count("a") == 2
        and list(reversed(items)) == list("bacba")
    )
    assert items[1:3] == ["b", "c"] and items[::-2] == ["b", "c", "a"] and items[10:] == []
    assert AppendList[int].__origin__ is AppendList and repr(AppendList([1])) == "AppendList([1])"
    assert repr(AppendList(range(2000))).endswith("1999], length=2000)")
    with pytest.raises(ValueError):
        items.index("x")


def test_iteration_includes_items_appended_meanwhile():
    items = AppendList([1])
    seen = []
    for item in items:
        seen.append(item)
        if item < 5:
            items.append(item + 1)
    assert seen == [1, 2, 3, 4, 5]
    backwards = reversed(items)
    items.append(6)
    assert list(backwards) == [5, 4, 3, 2, 1]


def test_an_exhausted_iterator_stays_exhausted():
    items = AppendList()
    iterator = iter(items)
    assert list(iterator) == []
    items.append(1)
    assert list(iterator) == []


def test_copies():
    items = AppendList(["a", [1], 2.5])
    for again in (copy.copy(items), copy.deepcopy(items), pickle.loads(pickle.dumps(items))):
        assert again.snapshot() == items.snapshot() and type(again) is AppendList
    items.append(items)
    again = copy.deepcopy(items)
    assert again[3] is again and "AppendList(...)" in repr(items)


def test_concurrent_appends_are_kept_once_and_in_order():
    items = AppendList()

    def work(n):
        for i in range(3000):
            if i % 10 == 0:
                first = items.extend([(n, i, k) for k in range(3)])
                assert items[first : first + 3] == [(n, i, k) for k in range(3)]
            else:
                assert items[items.append((n, i, 0))] == (n, i, 0)

    in_threads(work)
    assert len(items) == 4 * (2700 + 900)
    for n in range(4):
        mine = [item for item in items if item[0] == n]
        assert mine == sorted(mine) and len(set(mine)) == 3600


def test_every_index_below_the_length_is_readable():
    items, appending = AppendList(), AtomicInt(3)

    def work(n):
        if n:
            for i in range(3000):
                items.append((n, i))
            appending.decrement_and_get()
        while appending:
            before = len(items)
            now = items.snapshot()
            assert len(now) >= before and all(type(item) is tuple for item in now[-50:])
            assert not before or (items[before - 1] == now[before - 1] and items[-1])

    in_threads(work)


def test_concurrent_replace_and_append():
    items = AppendList()

    def work(n):
        for i in range(2000):
            index = items.append(f"{n} {i}")
            items[index // 2] = f"{n} again {i}"
            assert type(items[index // 3]) is str

    in_threads(work)
    assert len(items) == 8000


def test_cycles_and_items_are_freed():
    node = Node()
    node.items = AppendList([node] * 100)
    gone = weakref.ref(node), weakref.ref(node.items)
    del node
    gc.collect()
    assert gone[0]() is None and gone[1]() is None
    items = AppendList(Node() for _ in range(100))
    gone = [weakref.ref(item) for item in items]
    del items
    gc.collect()
    assert not any(item() for item in gone)


def test_a_long_chain_is_freed_without_stack_overflow():
    chain = None
    for _ in range(50_000):
        chain = AppendList([chain])
    del chain
    gc.collect()


def test_subclasses():
    class Log(AppendList):
        pass

    log = Log([1])
    log.note = "kept"
    again = copy.copy(log)
    assert type(again) is Log and again.note == "kept" and list(again) == [1] and gc.is_tracked(log)
