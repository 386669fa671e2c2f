"""What has crashed others of our kind: each by the issue it was reported in, rewritten as a property of ours."""

import gc
import random

import pytest
from crowd import crowd

import ungil


class Refuses:
    """A key whose comparison raises; all have one hash."""

    def __init__(self, name):
        self.name = name

    def __hash__(self):
        return 1

    def __eq__(self, other):
        raise ZeroDivisionError(self.name)


# cereggii#78 and #79: a second __init__, or two at once, freed the table beneath its users.
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
def test_a_second_init_harms_nobody(name):
    """It may change nothing, or raise; users of the structure meanwhile see it whole. What it held before, it holds."""
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

    crowd(init, look, init)
    assert use(thing) == before


def test_iterators_run_beside_every_change():
    """cereggii#88: iterating while others insert and delete ended in freed pages."""
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

    crowd(iterate, change, iterate, change)


@pytest.mark.parametrize("again", range(3))
def test_a_partitioned_walk_runs_beside_every_change(again):
    """The same by reduce(), which walks the table from several threads."""
    table = ungil.ConcurrentDict({n: 1 for n in range(400)})

    def walk():
        for _ in range(20):
            assert table.reduce(lambda key, value: value, lambda one, other: one + other, 0) >= 400

    def change():
        for n in range(3000):
            table[1000 + n % 700] = 1
            table.pop(1000 + (n * 7) % 700, None)

    crowd(walk, change)


def test_reduce_whose_keys_refuse_to_be_compared():
    """cereggii#146: reduce() looked a key up again, the key's __eq__ raised, and the missing result was used."""
    table = ungil.ConcurrentDict()
    one, other = Refuses("one"), Refuses("other")
    table[one] = 1
    with pytest.raises(ZeroDivisionError):
        table[other] = 1
    # Colliding all the same: reduce() must not compare, or must raise what the comparison raises.
    assert table.reduce(lambda key, value: value, lambda a, b: a + b, 0) == 1
    counter = ungil.ConcurrentCounter()
    counter.add(one, 1)
    with pytest.raises(ZeroDivisionError):
        counter.add(other, 1)
    assert counter.total() == 1


def test_reduce_whose_functions_raise():
    """cereggii#71: a function that raised was taken for one that had answered."""
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
def test_a_key_that_refuses_to_be_compared_keeps_its_count(name):
    """cereggii#145: the stored key lost a reference for each comparison that raised, and was freed while it was in the table."""
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


def test_a_delete_that_re_enters():
    """cereggii#85: __eq__ that deletes the entry being deleted."""

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
    """ft_utils#13: `d[k] += 1` over ten keys crashed. Each step is atomic and the sum of the two is not, so sums may be short, but
    never wrong in kind; merge() is atomic, and exact."""
    table = ungil.ConcurrentDict({n: 0 for n in range(10)})
    rounds = 10_000

    def increment():
        for n in range(rounds):
            table[n % 10] += 1

    crowd(increment, times=3)
    assert all(0 < table[n] <= 3 * rounds // 10 for n in range(10))
    table.update((n, 0) for n in range(10))

    def merge():
        for n in range(rounds):
            table.merge(n % 10, 1, lambda old, new: old + new)

    crowd(merge, times=3)
    assert [table[n] for n in range(10)] == [3 * rounds // 10] * 10


def test_numbers_too_large_for_the_unboxed_are_dropped_by_several_threads():
    """ft_utils#13 again, with values that are objects, each made by one thread and dropped by another."""
    table = ungil.ConcurrentDict({n: 1 << 70 for n in range(10)})

    def increment():
        for n in range(5000):
            table[n % 10] += 1

    crowd(increment, times=3)
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
