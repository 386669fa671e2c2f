"""Bugs reported in similar packages, each rewritten as a property of ours."""

import gc
import random

import pytest
from concurrently import concurrently

import ungil


class Refuses:
    """A key whose comparison raises; all keys have the same hash."""

    def __init__(self, name):
        self.name = name

    def __hash__(self):
        return 1

    def __eq__(self, other):
        raise ZeroDivisionError(self.name)


# cereggii#78 and #79: a second or concurrent `__init__` freed the table while it was in use.
AGAIN = {
    "ConcurrentDict": (
        lambda: ungil.ConcurrentDict({1: 1}),
        lambda d: d.__init__({2: 2}),
        lambda d: d.get(1),
    ),
    "ConcurrentSet": (
        lambda: ungil.ConcurrentSet([1]),
        lambda s: s.__init__([2]),
        lambda s: 1 in s,
    ),
    "ConcurrentCounter": (
        lambda: ungil.ConcurrentCounter(),
        lambda c: c.__init__(),
        lambda c: c["x"],
    ),
    "Array": (lambda: ungil.Array([1]), lambda a: a.__init__([2, 3]), lambda a: a[0]),
    "AppendList": (lambda: ungil.AppendList(), lambda a: a.__init__(), lambda a: len(a)),
    "Adder": (lambda: ungil.Adder(), lambda a: a.__init__(5), lambda a: a.sum()),
    "AtomicInt": (lambda: ungil.AtomicInt(1), lambda a: a.__init__(2), lambda a: a.get()),
    "AtomicRef": (
        lambda: ungil.AtomicRef("x" * 9),
        lambda a: a.__init__("y" * 9),
        lambda a: a.get(),
    ),
    "Queue": (lambda: ungil.Queue(2), lambda q: q.__init__(3), lambda q: q.qsize()),
    "LifoQueue": (lambda: ungil.LifoQueue(2), lambda q: q.__init__(3), lambda q: q.qsize()),
    "PriorityQueue": (lambda: ungil.PriorityQueue(2), lambda q: q.__init__(3), lambda q: q.qsize()),
    "Lock": (lambda: ungil.Lock(), lambda lock: lock.__init__(), lambda lock: lock.locked()),
    "RWLock": (
        lambda: ungil.RWLock(),
        lambda lock: lock.__init__(),
        lambda lock: lock.read().__enter__() or lock.release_read(),
    ),
    "Semaphore": (
        lambda: ungil.Semaphore(1),
        lambda s: s.__init__(2),
        lambda s: s.acquire() and s.release(),
    ),
}


@pytest.mark.parametrize("name", AGAIN)
def test_a_second_init_is_harmless(name):
    """A second `__init__` may change nothing, or raise.

    Concurrent users see a consistent structure, and its content is kept.
    """
    make, again, use = AGAIN[name]
    thing = make()
    before = use(thing)

    def init():
        for _ in range(300):
            try:
                again(thing)
            except RuntimeError, TypeError:
                pass

    def look():
        for _ in range(300):
            use(thing)

    concurrently(init, look, init)
    assert use(thing) == before


def test_iteration_during_changes():
    """cereggii#88: iteration during concurrent inserts and deletes accessed freed pages."""
    table = ungil.ConcurrentDict({n: n for n in range(400)})

    def iterate():
        for _ in range(40):
            for key, value in table.items():
                assert isinstance(key, int) and isinstance(value, int | str)
            list(table), list(table.values()), table.snapshot()

    def change():
        rng = random.Random(88)
        newest = 400
        for _ in range(6000):
            chance, key = rng.randrange(10), rng.randrange(newest)
            if chance < 6:
                table[key] = str(newest)
            elif chance < 8:
                table.pop(key, None)
            else:
                table[newest] = newest
                newest += 1
        table.clear()

    concurrently(iterate, change, iterate, change)


@pytest.mark.parametrize("again", range(3))
def test_reduce_during_changes(again):
    """As above, with reduce(), which visits the table from several threads."""
    table = ungil.ConcurrentDict({n: 1 for n in range(400)})

    def walk():
        for _ in range(20):
            assert table.reduce(lambda key, value: value, lambda one, other: one + other, 0) >= 400

    def change():
        for n in range(3000):
            table[1000 + n % 700] = 1
            table.pop(1000 + (n * 7) % 700, None)

    concurrently(walk, change)


def test_reduce_with_keys_that_cannot_be_compared():
    """cereggii#146: reduce() looked up a key, `__eq__` raised, and the NULL result was used."""
    table = ungil.ConcurrentDict()
    one, other = Refuses("one"), Refuses("other")
    table[one] = 1
    with pytest.raises(ZeroDivisionError):
        table[other] = 1
    # The keys still collide: reduce() must not compare them, or must raise what the comparison
    # raises.
    assert table.reduce(lambda key, value: value, lambda a, b: a + b, 0) == 1
    counter = ungil.ConcurrentCounter()
    counter.add(one, 1)
    with pytest.raises(ZeroDivisionError):
        counter.add(other, 1)
    assert counter.total() == 1


def test_reduce_with_raising_functions():
    """cereggii#71: a function that raised was treated as if it had returned."""
    table = ungil.ConcurrentDict({n: n for n in range(100)})

    def refuse(*arguments):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        table.reduce(refuse, lambda a, b: a + b, 0)
    with pytest.raises(ZeroDivisionError):
        table.reduce(lambda key, value: value, refuse, 0)
    with pytest.raises(TypeError):
        table.reduce(lambda key, value: value, lambda a, b: a + b, "text")
    assert len(table) == 100


OPERATIONS = {
    "get": lambda d, k: d.get(k),
    "getitem": lambda d, k: d[k],
    "contains": lambda d, k: k in d,
    "set": lambda d, k: d.__setitem__(k, 1),
    "delete": lambda d, k: d.__delitem__(k),
    "pop": lambda d, k: d.pop(k, None),
    "setdefault": lambda d, k: d.setdefault(k, 1),
    "compute": lambda d, k: d.compute(k, lambda k, v: 1),
    "compute_if_absent": lambda d, k: d.compute_if_absent(k, lambda k: 1),
    "compute_if_present": lambda d, k: d.compute_if_present(k, lambda k, v: 1),
    "merge": lambda d, k: d.merge(k, 1, lambda a, b: 1),
    "compare_and_set": lambda d, k: d.compare_and_set(k, 1, 2),
    "get_and_set": lambda d, k: d.get_and_set(k, 1),
    "remove": lambda d, k: d.remove(k, 1),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_failing_comparisons_keep_the_reference_count(name):
    """cereggii#145: each comparison that raised dropped a reference to the stored key.

    The key was then freed while it was in the table.
    """
    import weakref

    key, probe = Refuses("stored"), Refuses("probe")
    table = ungil.ConcurrentDict({key: "value"})
    alive = weakref.ref(key)
    del key
    for _ in range(100):
        with pytest.raises(ZeroDivisionError):
            OPERATIONS[name](table, probe)
    gc.collect()
    assert alive() is not None and alive() in list(table)
    alive_probe = weakref.ref(probe)
    del probe
    table.clear()
    gc.collect()
    gc.collect()
    assert alive() is None and alive_probe() is None


def test_reentrant_delete():
    """cereggii#85: `__eq__` that deletes the entry being deleted."""

    class Deletes:
        busy = False

        def __init__(self, table):
            self.table = table

        def __hash__(self):
            return 5

        def __eq__(self, other):
            if isinstance(other, Deletes) and not Deletes.busy:
                Deletes.busy = True
                try:
                    self.table.clear()
                finally:
                    Deletes.busy = False
            return isinstance(other, Deletes)

    table = ungil.ConcurrentDict()
    for call in OPERATIONS.values():
        table[Deletes(table)] = 1
        try:
            call(table, Deletes(table))
        except KeyError:
            pass
        table.clear()
        assert len(table) == 0


def test_increments_of_few_keys_by_several_threads():
    """ft_utils#13: `d[k] += 1` over ten keys crashed.

    Each step is atomic and the sum of the two is not, so counts may be too low, but never of a
    wrong type. merge() is atomic and exact.
    """
    table = ungil.ConcurrentDict({n: 0 for n in range(10)})
    rounds = 10_000

    def increment():
        for n in range(rounds):
            table[n % 10] += 1

    concurrently(increment, times=3)
    assert all(0 < table[n] <= 3 * rounds // 10 for n in range(10))
    table.update((n, 0) for n in range(10))

    def merge():
        for n in range(rounds):
            table.merge(n % 10, 1, lambda old, new: old + new)

    concurrently(merge, times=3)
    assert [table[n] for n in range(10)] == [3 * rounds // 10] * 10


def test_large_numbers_are_freed_by_several_threads():
    """ft_utils#13, with objects as values, each created by one thread and dropped by another."""
    table = ungil.ConcurrentDict({n: 1 << 70 for n in range(10)})

    def increment():
        for n in range(5000):
            table[n % 10] += 1

    concurrently(increment, times=3)
    assert all(1 << 70 < table[n] <= (1 << 70) + 1500 for n in range(10))


def test_operators_from_both_sides():
    """cereggii#69 and #76: reflected operators of a number crashed."""
    import operator

    number = ungil.AtomicInt(6)
    names = "add sub mul truediv floordiv mod pow and_ or_ xor lshift rshift matmul divmod".split()
    for name in names:
        call = getattr(operator, name, divmod)
        for other in (3, 2.5, False, "x", None, number):
            for arguments in ((number, other), (other, number)):
                try:
                    call(*arguments)
                except TypeError:
                    pass
    for name in dir(number):
        if name.startswith("__r") and name not in ("__repr__", "__reduce__", "__reduce_ex__"):
            for other in (False, 3, number, "x"):
                try:
                    getattr(number, name)(other)
                except TypeError, ValueError, ZeroDivisionError:
                    pass
