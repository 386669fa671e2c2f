"""References of ConcurrentDict and ConcurrentSet: held once, visible to the collector, released."""

import gc
import os
import sys
import threading
import weakref

import pytest
from deadlines import join

from ungil import ConcurrentCounter, ConcurrentDict, ConcurrentSet


class Thing:
    pass


def collected(reference):
    for _ in range(3):
        gc.collect()
    return reference() is None


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.parametrize(
    "tie",
    [
        lambda d: d.__setitem__("self", d),
        lambda d: d.__setitem__("items", d.items()),
        lambda d: d.__setitem__("iterator", iter(d)),
        lambda d: d.__setitem__((thing := Thing()), setattr(thing, "map", d)),
        lambda d: d.setdefault("function", lambda: d),
    ],
)
def test_cycles_through_a_map_are_freed(tie):
    d = ConcurrentDict()
    thing = d["thing"] = Thing()
    gone = weakref.ref(thing), weakref.ref(d)
    del thing
    tie(d)
    del d
    assert collected(gone[0]) and collected(gone[1])


def test_cycles_through_keys_of_sets_and_counters_are_freed():
    for kind in (ConcurrentSet, ConcurrentCounter):
        thing = Thing()
        holder = kind([thing])
        thing.holder = holder
        gone = weakref.ref(thing), weakref.ref(holder)
        del thing, holder
        assert collected(gone[0]) and collected(gone[1])


def test_removed_objects_are_released_at_once():
    d = ConcurrentDict()
    takes = [
        lambda k: d.__delitem__(k),
        lambda k: d.pop(k),
        lambda k: d.popitem(),
        lambda k: d.clear(),
        lambda k: d.remove(k, d[k]),
        lambda k: d.compute_if_present(k, lambda k, v: __import__("ungil").ABSENT),
    ]
    for take in takes:
        key, value = Thing(), Thing()
        d[key] = value
        gone = weakref.ref(key), weakref.ref(value)
        take(key)
        del key, value
        assert [g() for g in gone] == [None, None]
    for put in (
        lambda: d.__setitem__(1, 2),
        lambda: d.get_and_set(1, 2),
        lambda: d.compute(1, lambda k, v: 2),
    ):
        value = d[1] = Thing()
        gone = weakref.ref(value)
        del value
        put()
        assert gone() is None


def test_the_finalizer_of_a_replaced_value_may_use_the_map():
    d = ConcurrentDict()

    class Last:
        def __del__(self):
            d["gone"] = d.pop("x", None)
            d.clear()
            d["again"] = 1

    d["x"] = Last()
    d["x"] = 2
    assert d == {"again": 1}
    d["y"] = Last()
    d.clear()
    assert "again" in d or not d


def test_an_iterator_may_be_dropped_midway():
    d = ConcurrentDict((n, Thing()) for n in range(1000))
    gone = weakref.ref(d[999])
    iterator = d.items()
    iterator = iter(iterator)
    next(iterator)
    d.clear()
    del iterator
    assert gone() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
@pytest.mark.parametrize("what", ["churn", "clear", "sets", "hot"])
def test_memory_stays_flat(what):
    d, s, c = ConcurrentDict(), ConcurrentSet(), ConcurrentCounter()

    def work(base):
        for n in range(base, base + 8_000):
            if what == "churn":
                d[n] = str(n)
                d.pop(n - 100, None)
            elif what == "clear":
                d[n] = (n,)
                if n % 1000 == 0:
                    d.clear()
            elif what == "sets":
                s.add(str(n))
                s.discard(str(n - 100))
            else:
                c.add("hot")
                if n % 50 == 0:
                    c.pop("hot", 0)

    def round(number):
        threads = [
            threading.Thread(target=work, args=(number * 10**6 + t * 10**5,)) for t in range(3)
        ]
        for thread in threads:
            thread.start()
        join(*threads)
        d.clear(), s.clear(), c.clear()
        gc.collect()

    for number in range(4):
        round(number)
    before = resident()
    for number in range(4, 12):
        round(number)
    assert resident() - before < 8 << 20


def test_deep_nesting_is_freed():
    d = ConcurrentDict()
    for _ in range(10_000):
        d = ConcurrentDict({1: d})
    del d
    gc.collect()
    s = [ConcurrentDict()]
    for _ in range(10_000):
        s = [ConcurrentDict({1: s})]
    del s
    gc.collect()


def test_an_empty_map_is_small():
    if not sys.platform.startswith("linux"):
        return
    before = resident()
    many = [ConcurrentDict() for _ in range(1000)]
    assert resident() - before < 20 << 20
    del many
