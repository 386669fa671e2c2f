import copy
import gc
import math
import pickle
import random
import sys
import threading
import weakref

import pytest
from deadlines import join

from ungil import Accumulator, Adder, AtomicFlag, AtomicInt, AtomicRef

BIGGEST, SMALLEST = 2**63 - 1, -(2**63)


def in_threads(work, count=4):
    """Runs `work(n)` in that many threads at once and returns the results.

    An exception of a thread is raised here.
    """
    ready, results = threading.Barrier(count), [None] * count

    def run(n):
        ready.wait()
        try:
            results[n] = work(n)
        except BaseException as error:
            results[n] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    join(*threads)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


class Node:
    """An object that the collector tracks and that supports weak references."""


class TestAdder:
    def test_every_addition_of_every_thread_is_counted(self):
        adder = Adder()
        in_threads(lambda _: [adder.add(2) for _ in range(1000)], 8)
        assert adder.sum() == 16_000

    def test_increment_and_decrement(self):
        adder = Adder(10)
        in_threads(
            lambda n: [(adder.increment if n % 2 else adder.decrement)() for _ in range(1000)]
        )
        adder.increment()
        assert adder.sum() == 11

    def test_the_sum_is_exact_beyond_64_bits(self):
        numbers = [random.Random(1).randint(SMALLEST, BIGGEST) for _ in range(1000)]
        adder = Adder()
        in_threads(lambda _: [adder.add(n) for n in numbers])
        assert adder.sum() == 4 * sum(numbers)
        adder = Adder()
        for _ in range(5):
            adder.add(BIGGEST)
        assert adder.sum() == 5 * BIGGEST

    def test_floats_make_the_sum_a_float(self):
        adder = Adder()
        assert type(adder.sum()) is int
        adder.add(1)
        adder.add(0.5)
        assert adder.sum() == 1.5
        in_threads(lambda _: [adder.add(0.25) for _ in range(1000)])
        assert adder.sum() == 1001.5
        adder.add(math.nan)
        assert math.isnan(adder.sum())

    def test_each_addition_is_in_exactly_one_reset_sum(self):
        adder = Adder()
        taken = in_threads(
            lambda n: [
                adder.add(1) or (adder.sum_then_reset() if i % 10 == n else 0) for i in range(1000)
            ]
        )
        assert sum(map(sum, taken)) + adder.sum() == 4000
        adder.add(7)
        adder.reset()
        assert adder.sum() == 0

    @pytest.mark.parametrize(
        "bad, error",
        [
            ("1", TypeError),
            (None, TypeError),
            (2**63, OverflowError),
            (SMALLEST - 1, OverflowError),
        ],
    )
    def test_out_of_range_numbers_are_rejected_and_not_added(self, bad, error):
        adder = Adder(5)
        with pytest.raises(error):
            adder.add(bad)
        assert adder.sum() == 5

    def test_objects_with_index_are_accepted(self):
        class Two:
            def __index__(self):
                return 2

        adder = Adder(Two())
        adder.add(True)
        adder.add(AtomicInt(4))
        assert adder.sum() == 7

    def test_arguments_are_checked(self):
        with pytest.raises(TypeError):
            Adder().add()
        with pytest.raises(TypeError):
            Adder().add(1, 2)
        with pytest.raises(TypeError):
            Adder.add(object(), 1)
        with pytest.raises(TypeError):
            Adder().increment(1)

    def test_methods_have_docstrings(self):
        assert (
            Adder.add.__doc__.startswith("Adds") and Adder.add.__text_signature__ == "($self, n, /)"
        )
        assert Adder.increment.__text_signature__ == "($self)"


class TestAtomicInt:
    def test_each_operation_returns_its_result(self):
        value = AtomicInt(5)
        assert value.get() == 5
        assert value.increment_and_get() == 6
        assert value.get_and_increment() == 6
        assert value.decrement_and_get() == 6
        assert value.get_and_decrement() == 6
        assert value.add_and_get(-10) == -5
        assert value.get_and_add(7) == -5
        assert value.get_and_set(0b1100) == 2
        assert value.get_and_or(0b0011) == 0b1100
        assert value.get_and_and(0b0110) == 0b1111
        assert value.get_and_xor(0b1111) == 0b0110
        assert value.update_and_get(lambda n: n * 3) == 27
        assert value.get_and_update(lambda n: n + 1) == 27
        value.set(1)
        assert value.get() == 1

    def test_every_number_is_returned_once(self):
        value = AtomicInt()
        seen = in_threads(lambda _: [value.get_and_increment() for _ in range(2000)])
        assert sorted(n for numbers in seen for n in numbers) == list(range(8000))

    def test_concurrent_updates_are_not_lost(self):
        value = AtomicInt()
        in_threads(lambda _: [value.update_and_get(lambda n: n + 1) for _ in range(500)])
        assert value == 2000

    def test_it_never_wraps(self):
        value = AtomicInt(BIGGEST)
        for change in (
            value.increment_and_get,
            lambda: value.add_and_get(BIGGEST),
            lambda: value.update_and_get(lambda n: n + 1),
        ):
            with pytest.raises(OverflowError):
                change()
        assert value == BIGGEST
        value.set(SMALLEST)
        for change in (
            value.decrement_and_get,
            value.get_and_decrement,
            lambda: value.add_and_get(-1),
        ):
            with pytest.raises(OverflowError):
                change()
        assert value == SMALLEST
        with pytest.raises(OverflowError):
            AtomicInt(2**63)

    def test_compare_and_set(self):
        value = AtomicInt(3)
        assert value.compare_and_set(3, 4) and not value.compare_and_set(3, 5) and value == 4
        assert not value.compare_and_set(2**100, 5)
        with pytest.raises(OverflowError):
            value.compare_and_set(4, 2**100)
        with pytest.raises(TypeError):
            value.compare_and_set(4, "5")
        assert value == 4

    def test_in_place_addition_changes_the_shared_int(self):
        value = other = AtomicInt(1)
        value += 5
        value -= 2
        assert value is other and other == 4
        with pytest.raises(TypeError):
            value += 1.5
        with pytest.raises(OverflowError):
            value -= SMALLEST

    def test_it_compares_by_its_current_value(self):
        value = AtomicInt(3)
        assert (
            value == 3
            and 3 == value
            and value != 4
            and value < 4
            and value >= AtomicInt(3)
            and value > 2.5
        )
        assert int(value) == 3 and [0, 1, 2, 9][value] == 9 and value and not AtomicInt()
        assert value != "3" and hex(value) == "0x3"
        with pytest.raises(TypeError):
            value < "3"
        with pytest.raises(TypeError):
            hash(value)

    def test_exceptions_of_the_function_propagate(self):
        value = AtomicInt(1)
        with pytest.raises(ZeroDivisionError):
            value.update_and_get(lambda n: n // 0)
        with pytest.raises(TypeError):
            value.update_and_get(lambda n: "2")
        assert value == 1


class TestAtomicRef:
    def test_get_set_and_swap(self):
        first, second = Node(), Node()
        ref = AtomicRef(first)
        assert ref.get() is first
        ref.set(second)
        assert ref.get_and_set(None) is second and ref.get() is None
        assert AtomicRef().get() is None

    @pytest.mark.parametrize(
        "value",
        [
            0,
            -1,
            10**6,
            2**61,
            -(2**61),
            2**62,
            2**63,
            2**100,
            0.0,
            -0.0,
            1.5,
            1e300,
            5e-324,
            math.inf,
            math.nan,
            "ä",
            b"x",
            "",
            True,
            None,
            (1,),
            1j,
        ],
    )
    def test_any_value_comes_out_as_it_went_in(self, value):
        out = AtomicRef(value).get()
        assert type(out) is type(value) and repr(out) == repr(value)

    @pytest.mark.parametrize(
        "make",
        [
            lambda: 10**6,
            lambda: 2**70,
            lambda: 1.5,
            lambda: 1e-300,
            lambda: -0.0,
            lambda: math.nan,
            lambda: "ab" * 3,
            lambda: b"ab" * 3,
        ],
    )
    def test_plain_values_are_compared_by_value(self, make):
        ref = AtomicRef(make())
        assert ref.compare_and_set(make(), "new") and ref.get() == "new"

    def test_other_values_are_compared_by_identity(self):
        class Str(str):
            def __eq__(self, other):
                raise AssertionError("is not to be called")

            __hash__ = str.__hash__

        for one, other in [
            ([], []),
            (tuple([1]), tuple([1])),
            (Str("a"), Str("a")),
            (Str("a"), "a"),
            ("a", Str("a")),
            (1, True),
            (1, 1.0),
            (0.0, -0.0),
            (2**70, 1.0 * 2**70),
            ("a", b"a"),
        ]:
            ref = AtomicRef(one)
            assert not ref.compare_and_set(other, None)
            assert ref.compare_and_set(one, None)

    def test_concurrent_updates_are_not_lost(self):
        ref = AtomicRef(())
        in_threads(lambda n: [ref.update_and_get(lambda t: (*t, (n, i))) for i in range(100)])
        assert sorted(ref.get()) == sorted((n, i) for n in range(4) for i in range(100))
        assert AtomicRef(1).get_and_update(lambda n: n + 1) == 1

    def test_only_one_concurrent_compare_and_set_succeeds(self):
        for _ in range(100):
            ref = AtomicRef("start")
            assert sum(in_threads(lambda n: ref.compare_and_set("start", n))) == 1

    def test_values_dropped_by_another_thread_are_freed(self):
        ref = AtomicRef()
        alive = in_threads(
            lambda _: [
                weakref.ref(node) for _ in range(500) for node in [Node()] if [ref.set(node)]
            ]
        )
        ref.set(None)
        gc.collect()
        assert not any(node() for nodes in alive for node in nodes)

    def test_a_finalizer_may_use_it(self):
        ref, seen = AtomicRef(), []

        class Last:
            def __del__(self):
                seen.append(ref.get())

        ref.set(Last())
        ref.set("after")
        gc.collect()
        assert seen == ["after"]


class TestAtomicFlag:
    def test_it_is_set_once(self):
        flag = AtomicFlag()
        assert not flag and not flag.is_set()
        assert sorted(in_threads(lambda _: flag.test_and_set())) == [False, True, True, True]
        assert flag and flag.test_and_clear() and not flag.test_and_clear()
        flag.set()
        assert flag.is_set()
        flag.clear()
        assert not flag.is_set() and AtomicFlag(True)


class TestAccumulator:
    def test_a_maximum_of_many_threads(self):
        most = Accumulator(max, -1)
        assert most.get() == -1
        in_threads(lambda n: [most.accumulate(n * 1000 + i) for i in range(1000)])
        assert most.get() == 3999 and most.get_then_reset() == 3999 and most.get() == -1

    def test_nothing_is_lost_or_duplicated(self):
        union = Accumulator(lambda a, b: a + b, ())
        taken = in_threads(
            lambda n: [
                union.accumulate((n * 200 + i,)) or (union.get_then_reset() if i % 50 == 0 else ())
                for i in range(200)
            ]
        )
        everything = [x for thread in taken for part in thread for x in part] + list(union.get())
        assert sorted(everything) == list(range(800))

    def test_exceptions_of_the_function_propagate_and_change_nothing(self):
        total = Accumulator(lambda a, b: a + b, 0)
        total.accumulate(5)
        with pytest.raises(TypeError):
            total.accumulate("x")
        assert total.get() == 5
        total.reset()
        assert total.get() == 0

    def test_the_function_may_use_the_accumulator(self):
        def function(a, b):
            inner.get()
            return a + b

        inner = Accumulator(function, 0)
        inner.accumulate(1)
        inner.accumulate(2)
        assert inner.get() == 3

    def test_uncallable_functions_are_rejected(self):
        with pytest.raises(TypeError):
            Accumulator(3, 0)


EXAMPLES = [Adder(3), AtomicInt(-3), AtomicRef("x"), AtomicFlag(True), Accumulator(max, 0)]


def value_of(object):
    return (
        object.sum()
        if isinstance(object, Adder)
        else object.is_set()
        if isinstance(object, AtomicFlag)
        else object.get()
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: type(e).__name__)
class TestEach:
    def test_it_is_pickled_and_copied(self, example):
        for again in (
            pickle.loads(pickle.dumps(example)),
            copy.copy(example),
            copy.deepcopy(example),
        ):
            assert (
                type(again) is type(example)
                and again is not example
                and value_of(again) == value_of(example)
            )

    def test_it_can_be_subclassed(self, example):
        sub = type("Sub", (type(example),), {})
        arguments = (
            (max, 0)
            if sub.__base__ is Accumulator
            else (1,)
            if sub.__base__ is not AtomicFlag
            else (True,)
        )
        one = sub(*arguments)
        one.note = "mine"
        assert type(one) is sub and type(one).__name__ in repr(one) and weakref.ref(one)() is one
        state = one.__reduce__()
        assert state[0] is sub and (state[2] == {"note": "mine"} or state[2][1] == {"note": "mine"})

    def test_it_is_tracked_by_the_collector(self, example):
        assert gc.is_tracked(example) and type(example).__module__ == "ungil"


def test_subscripts():
    assert AtomicRef[int].__origin__ is AtomicRef and Accumulator[int].__args__ == (int,)


def test_repr_of_a_container_of_itself():
    ref = AtomicRef()
    ref.set(ref)
    assert repr(ref) == "AtomicRef(AtomicRef(...))"
    again = pickle.loads(pickle.dumps(ref))
    assert again.get() is again
    ref.set(None)


@pytest.mark.parametrize(
    "make",
    [
        AtomicRef,
        lambda x: Accumulator(max, x),
        lambda x: (a := Accumulator(lambda _, y: y, 0), a.accumulate(x))[0],
        lambda x: Accumulator(lambda a, b: x, 0),
    ],
)
def test_cycles_are_collected(make):
    node = Node()
    node.cell = make(node)
    gone = weakref.ref(node), weakref.ref(node.cell)
    del node
    gc.collect()
    assert gone[0]() is None and gone[1]() is None


def test_a_long_chain_is_freed_without_stack_overflow():
    chain = None
    for _ in range(200_000):
        chain = AtomicRef(chain)
    del chain
    gc.collect()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_replacing_a_million_times_leaks_nothing():
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    ref = AtomicRef()

    def replace():
        for i in range(300_000):
            ref.set(f"a string of some length {i}")
            ref.update_and_get(str.upper)

    replace()
    before = resident()
    replace()
    replace()
    assert resident() - before < 8 << 20
