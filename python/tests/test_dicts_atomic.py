"""The atomic operations of ConcurrentDict, for which a dict would need a lock."""

import threading

import pytest
from deadlines import join

from ungil import ABSENT, ConcurrentCounter, ConcurrentDict


def run_in_threads(count, work):
    """Runs `work(index)` in threads that start at once; raises what any of them raised."""
    barrier, errors = threading.Barrier(count), []

    def run(index):
        try:
            barrier.wait()
            work(index)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    join(*threads)
    if errors:
        raise errors[0]


def test_compare_and_set():
    d = ConcurrentDict(a=1)
    marker = object()
    assert not d.compare_and_set("a", 2, 3) and d.compare_and_set("a", 1, 3) and d["a"] == 3
    assert (
        not d.compare_and_set("a", 3.0, 4) and not d.compare_and_set("b", None, 1) and "b" not in d
    )
    assert d.compare_and_set("b", ABSENT, marker) and not d.compare_and_set("b", ABSENT, 1)
    assert not d.compare_and_set("b", object(), 1) and d.compare_and_set(
        "b", marker, "".join(["x", "y"])
    )
    assert d.compare_and_set("b", "xy", ABSENT) and "b" not in d
    assert d.compare_and_set("b", ABSENT, ABSENT) and "b" not in d
    assert (
        not d.remove("a", 4)
        and d.remove("a", 3)
        and not d.remove("a", 3)
        and not d.remove("a", ABSENT)
    )
    assert d.get_and_set("a", 1) is None and d.get_and_set("a", 2) == 1 and len(d) == 1


def test_compute_and_its_variants():
    d = ConcurrentDict(a=1)
    assert d.compute("a", lambda k, v: (k, v)) == ("a", 1) and d["a"] == ("a", 1)
    assert (
        d.compute("n", lambda k, v: (v or 0) + 1) == 1
        and d.compute("n", lambda k, v: v + 1, 10) == 2
    )
    assert d.compute("m", lambda k, v: v + 1, 10) == 11
    assert (
        d.compute("m", lambda k, v: ABSENT) is None
        and "m" not in d
        and d.compute("m", lambda k, v: ABSENT) is None
    )
    assert d.compute("none", lambda k, v: None) is None and "none" in d
    assert d.compute_if_present("q", lambda k, v: 1 / 0) is None
    assert (
        d.compute_if_present("n", lambda k, v: v * 10) == 20
        and d.compute_if_present("n", lambda k, v: ABSENT) is None
    )
    assert (
        d.merge("n", 5, max) == 5
        and d.merge("n", 3, max) == 5
        and d.merge("n", 3, lambda a, b: ABSENT) is None
    )
    assert "n" not in d
    assert (
        d.compute_if_absent("c", lambda k: k * 2) == "cc"
        and d.compute_if_absent("c", lambda k: 1 / 0) == "cc"
    )
    assert d.compute_if_absent("none", lambda k: 1 / 0) is None
    for use, key in ((d.compute, "a"), (d.compute_if_absent, "new"), (d.compute_if_present, "a")):
        with pytest.raises(ZeroDivisionError):
            use(key, lambda *_: 1 / 0)
        with pytest.raises(TypeError):
            use(key, 3)
    assert d["a"] == ("a", 1) and "new" not in d


def test_a_function_may_use_the_map():
    d = ConcurrentDict(a=1)

    def change_first(key, value):
        if value == 1:
            d["a"] = 2
        return value * 10

    assert d.compute("a", change_first) == 20

    def fill(key):
        for n in range(1000):
            d[n] = n
        d[key] = "first"
        return "second"

    assert d.compute_if_absent("b", fill) == "first" and d["b"] == "first"
    assert d.compute_if_absent(30, lambda k: 0) == 30

    def fibonacci(n):
        return (
            n
            if n < 2
            else memo.compute_if_absent(n - 1, fibonacci) + memo.compute_if_absent(n - 2, fibonacci)
        )

    memo = ConcurrentDict()
    assert memo.compute_if_absent(60, fibonacci) == 1548008755920
    # -1 and -2 have the same hash but are different keys.
    assert d.compute_if_absent(-1, lambda k: d.compute_if_absent(-2, lambda k: "x") + "y") == "xy"


def test_waiting_for_its_own_computation_is_an_error():
    d = ConcurrentDict()
    with pytest.raises(RuntimeError, match="the key that it is computing"):
        d.compute_if_absent("a", lambda k: d.compute_if_absent("a", str))
    assert d.compute_if_absent("a", str) == "a"
    entered = threading.Barrier(2)
    failed = []

    def cross(mine, other):
        def function(key):
            entered.wait()
            return d.compute_if_absent(other, str)

        try:
            d.compute_if_absent(mine, function)
        except RuntimeError as error:
            failed.append(str(error))

    run_in_threads(2, lambda index: cross(*[("x", "y"), ("y", "x")][index]))
    # The call that would close the cycle fails, and so does the computation that made it. The other
    # thread then computes that key itself.
    assert len(failed) == 1 and "deadlock" in failed[0] and set(d) == {"a", "x", "y"}


def test_a_missing_value_is_computed_once():
    d = ConcurrentDict()
    calls, results = [], []

    def slow(key):
        calls.append(key)
        threading.Event().wait(0.002)
        return object()

    run_in_threads(
        8, lambda _: results.append([d.compute_if_absent(key, slow) for key in range(20)])
    )
    assert sorted(calls) == list(range(20))
    assert all(result == results[0] for result in results)


def test_a_waiter_computes_if_the_function_fails():
    d, calls = ConcurrentDict(), []

    def fails_first(key):
        calls.append(key)
        if len(calls) < 4:
            raise ValueError(key)
        return "made"

    outcomes = []

    def work(_):
        try:
            outcomes.append(d.compute_if_absent("k", fails_first))
        except ValueError:
            outcomes.append("failed")

    run_in_threads(8, work)
    assert outcomes.count("failed") == 3 and outcomes.count("made") == 5


@pytest.mark.parametrize("how", ["compute", "merge", "compare_and_set"])
def test_no_increment_is_lost(how):
    d = ConcurrentDict()

    def work(_):
        for n in range(500):
            key = n % 5
            if how == "compute":
                d.compute(key, lambda k, v: v + 1, 0)
            elif how == "merge":
                d.merge(key, 1, lambda a, b: a + b)
            else:
                while not d.compare_and_set(key, old := d.get(key, ABSENT), (old or 0) + 1):
                    pass

    run_in_threads(4, work)
    assert d == {key: 400 for key in range(5)}


def test_setdefault_has_one_winner():
    d, seen = ConcurrentDict(), [[] for _ in range(4)]
    run_in_threads(
        4,
        lambda index: [seen[index].append(d.setdefault(key, (index, key))) for key in range(3000)],
    )
    assert seen[0] == seen[1] == seen[2] == seen[3] and len(d) == 3000


def test_reduce():
    d = ConcurrentDict({n: n for n in range(10_000)})
    for workers in (1, 2, 5, None):
        assert d.reduce(lambda k, v: v, lambda a, b: a + b, 0, workers=workers) == sum(
            range(10_000)
        )
    assert ConcurrentDict().reduce(lambda k, v: v, max, 7) == 7
    with pytest.raises(ZeroDivisionError):
        d.reduce(lambda k, v: 1 // (v - 5000), max, 0, workers=3)
    for wrong, error in ((0, ValueError), (-1, ValueError), (1.5, TypeError)):
        with pytest.raises(error):
            d.reduce(lambda k, v: v, max, 0, workers=wrong)


def test_counter():
    c = ConcurrentCounter("abracadabra", z=2)
    assert (
        c["a"] == 5
        and c["q"] == 0
        and "q" not in c
        and c.total() == 13
        and c.most_common(1) == [("a", 5)]
    )
    c.subtract({"a": 6})
    assert (
        c["a"] == -1
        and sorted(c.elements()) == list("bbcdrrzz")
        and c == {**c.snapshot()}
        and len(c) == 6
    )
    c["a"] = 2**61 - 1
    for wrong, error in (
        (lambda: c.add("a"), OverflowError),
        (lambda: c.add("a", 2**63), OverflowError),
        (lambda: c.add("a", "1"), TypeError),
        (lambda: c.__setitem__("a", 2**61), OverflowError),
    ):
        with pytest.raises(error):
            wrong()
    del c["a"], c["a"]
    assert c.pop("b") == 2 and c.pop("b", None) is None and "a" not in c
    with pytest.raises(KeyError):
        c.pop("b")
    c.clear()
    assert not c and repr(c) == "ConcurrentCounter({})"


def test_counter_loses_nothing_on_a_hot_key():
    c = ConcurrentCounter()
    taken = []

    def work(index):
        for n in range(4000):
            c.add("hot")
            c.add(n % 10)
            if index == 0 and n % 100 == 0:
                taken.append(c.pop("hot", 0))
                assert c["hot"] >= 0
            if index == 1 and n % 150 == 0:
                c.add("hot", 1 << 30)
                c.add("hot", -(1 << 30))

    run_in_threads(4, work)
    assert c["hot"] + sum(taken) == 16_000 and c.total() - c["hot"] == 16_000
