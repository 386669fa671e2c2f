import copy
import gc
import math
import pickle
import random
import sys
import weakref
from collections.abc import Sequence

import pytest
from test_atomics import BIGGEST, SMALLEST, Node, in_threads

from ungil import Array


class TestMaking:
    def test_from_items(self):
        for items in (
            [1, "a", None],
            (1, "a", None),
            iter([1, "a", None]),
            {1: 0, "a": 0, None: 0},
            Array([1, "a", None]),
        ):
            assert list(Array(items)) == [1, "a", None]
        assert list(Array("abc")) == ["a", "b", "c"] and list(Array([])) == []

    def test_from_a_length(self):
        assert list(Array(3)) == [None] * 3 and list(Array(3, fill="x")) == ["x"] * 3
        assert (
            list(Array(0)) == []
            and list(Array(2, "q")) == [0, 0]
            and list(Array(2, "d", fill=1)) == [1.0, 1.0]
        )
        node = Node()
        assert all(item is node for item in Array(100, fill=node))

    def test_of_numbers(self):
        ints, floats = Array([1, -2, True], "q"), Array([1, 2.5], type="d")
        assert ints.type == "q" and list(ints) == [1, -2, 1] and type(ints[2]) is int
        assert floats.type == "d" and list(floats) == [1.0, 2.5] and type(floats[0]) is float
        assert Array([]).type is None
        with pytest.raises(AttributeError):
            ints.type = "d"

    @pytest.mark.parametrize(
        "arguments, keywords, error",
        [
            ((-1,), {}, ValueError),
            ((10**17,), {}, MemoryError),
            ((10**17, "q"), {}, MemoryError),
            ((sys.maxsize,), {}, MemoryError),
            ((sys.maxsize, "d"), {}, MemoryError),
            ((2**100,), {}, OverflowError),
            ((3, "x"), {}, ValueError),
            ((3, 5), {}, TypeError),
            ((None,), {}, TypeError),
            ((1.5,), {}, TypeError),
            ((), {}, TypeError),
            (([1.5], "q"), {}, TypeError),
            ((["x"], "d"), {}, TypeError),
            (([2**63], "q"), {}, OverflowError),
            ((3, "q"), {"fill": "x"}, TypeError),
            (([1],), {"fill": 0}, TypeError),
        ],
    )
    def test_invalid_arguments_are_rejected(self, arguments, keywords, error):
        with pytest.raises(error):
            Array(*arguments, **keywords)

    def test_failing_iterables_leak_nothing(self):
        node = Node()
        gone = weakref.ref(node)

        def items():
            nonlocal node
            yield node
            node = None
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            Array(items())
        gc.collect()
        assert gone() is None

    def test_wrong_len_of_the_items_is_tolerated(self):
        class Liar:
            def __len__(self):
                return sys.maxsize

            def __iter__(self):
                return iter([1, 2])

        assert list(Array(Liar())) == [1, 2]


class TestSlots:
    def test_read_and_write(self):
        array = Array(range(5))
        array[0], array[-1] = "first", "last"
        assert (
            array[0] == "first"
            and array[4] == array[-1] == "last"
            and array[-5] == "first"
            and len(array) == 5
        )

    @pytest.mark.parametrize(
        "index, error",
        [
            (5, IndexError),
            (-6, IndexError),
            (2**100, IndexError),
            (-(2**100), IndexError),
            (sys.maxsize, IndexError),
            (-sys.maxsize - 1, IndexError),
            ("0", TypeError),
            (1.0, TypeError),
            (None, TypeError),
        ],
    )
    @pytest.mark.parametrize("kind", [None, "q"])
    def test_invalid_indices_are_rejected(self, index, error, kind):
        array = Array(range(5), kind)
        with pytest.raises(error):
            array[index]
        with pytest.raises(error):
            array[index] = 1
        with pytest.raises(error):
            array.get_and_set(index, 1)
        with pytest.raises(error):
            array.compare_and_set(index, 1, 1)

    def test_items_cannot_be_deleted(self):
        array = Array(3)
        with pytest.raises(TypeError):
            del array[0]
        with pytest.raises(TypeError):
            del array[:]

    def test_an_index_may_be_any_object_with_index(self):
        class One:
            def __index__(self):
                return 1

        assert Array("abc")[One()] == "b" and Array("abc")[True] == "b"

    @pytest.mark.parametrize(
        "value",
        [
            0,
            1,
            -1,
            255,
            257,
            1 << 30,
            -(1 << 30),
            (1 << 30) - 1,
            1 << 60,
            1 << 61,
            -(1 << 61),
            (1 << 61) - 1,
            1 << 62,
            BIGGEST,
            SMALLEST,
            2**63,
            2**200,
        ],
    )
    def test_every_int_comes_out_as_it_went_in(self, value):
        array = Array(1)
        array[0] = value
        assert array[0] == value and type(array[0]) is int
        if SMALLEST <= value <= BIGGEST:
            numbers = Array(1, "q")
            numbers[0] = value
            assert numbers[0] == value == numbers.get_and_set(0, 0)

    def test_every_float_comes_out_as_it_went_in(self):
        source = random.Random(4)
        values = [
            math.ldexp(source.uniform(-1, 1), source.randint(-1070, 1020)) for _ in range(2000)
        ]
        values += [
            0.0,
            -0.0,
            math.inf,
            -math.inf,
            5e-324,
            2.0**-255,
            -(2.0**-255),
            2.0**256,
            1.7e308,
        ]
        assert (
            [v.hex() for v in Array(values)]
            == [v.hex() for v in values]
            == [v.hex() for v in Array(values, "d")]
        )
        assert math.isnan(Array([math.nan])[0])

    def test_swap_compare_and_update(self):
        array = Array(["a", 1000, None])
        assert array.swap(0, "b") == "a" and array.get_and_set(0, "c") == "b"
        assert (
            array.compare_and_set(1, 10**3, 2.5)
            and not array.compare_and_set(1, 10**3, 3)
            and array[1] == 2.5
        )
        assert array.update(2, lambda value: [value]) == [None] and array[2] == [None]
        with pytest.raises(TypeError):
            array.update(slice(0, 1), str)

    def test_numbers_are_added_atomically(self):
        for kind in "qd":
            array = Array(4, kind)
            in_threads(lambda _: [array.add(i % 4, 1) for i in range(4000)])
            assert list(array) == [4000] * 4
            assert array.get_and_add(0, 2) == 4000 and array.add_and_get(0, 2) == 4004
            assert array.update(1, lambda n: n / 2 if kind == "d" else n // 2) == 2000
            assert array.compare_and_set(1, 2000, 7) and not array.compare_and_set(1, 2000, 8)

    def test_bits(self):
        array = Array([0b1100], "q")
        assert array.get_and_or(0, 0b0011) == 0b1100
        assert array.get_and_and(0, 0b0110) == 0b1111
        assert array.get_and_xor(0, 0b1111) == 0b0110
        assert array[0] == 0b1001

    def test_an_int_of_an_array_never_wraps(self):
        array = Array([BIGGEST], "q")
        for change in (
            lambda: array.add(0, 1),
            lambda: array.update(0, lambda n: n + 1),
            lambda: array.__setitem__(0, 2**63),
        ):
            with pytest.raises(OverflowError):
                change()
        assert array[0] == BIGGEST and not array.compare_and_set(0, 2**63, 0)

    def test_arithmetic_is_for_number_arrays_only(self):
        for change in (
            lambda a: a.add(0, 1),
            lambda a: a.get_and_add(0, 1),
            lambda a: a.get_and_or(0, 1),
        ):
            with pytest.raises(TypeError, match="update"):
                change(Array([1]))

    def test_wrong_types_change_nothing(self):
        ints, floats = Array([1], "q"), Array([1.0], "d")
        for array, bad in ((ints, 1.5), (ints, "1"), (floats, "1"), (floats, None)):
            with pytest.raises(TypeError):
                array[0] = bad
            with pytest.raises(TypeError):
                array.add(0, bad)
            assert array[0] == 1


class TestSequence:
    def test_it_is_a_sequence(self):
        array = Array("abcab")
        assert isinstance(array, Sequence)
        assert "a" in array and "x" not in array
        assert (
            array.index("b") == 1
            and array.index("b", 2) == 4
            and array.index("a", -2, 10**30 if False else 5) == 3
        )
        assert array.count("a") == 2 and list(reversed(array)) == list("bacba")
        for missing in (("x",), ("a", 1, 3), ("c", -2)):
            with pytest.raises(ValueError):
                array.index(*missing)
        match array:
            case ["a", *rest]:
                assert rest == list("bcab")
            case _:
                raise AssertionError

    def test_slices_are_read_as_from_a_list(self):
        items, source = list(range(20)), random.Random(2)
        ends = [None, *range(-25, 26)]
        for kind in (None, "q", "d"):
            array = Array(items, kind)
            for _ in range(300):
                part = slice(
                    source.choice(ends),
                    source.choice(ends),
                    source.choice([None, 1, 2, 3, -1, -2, -7]),
                )
                assert array[part] == items[part] and type(array[part]) is list
            with pytest.raises(ValueError):
                array[::0]
        assert array[-(10**30) : 10**30] == items

    def test_slices_are_assigned_item_by_item(self):
        items, source = list(range(20)), random.Random(3)
        array = Array(items)
        for _ in range(300):
            part = slice(
                source.randint(-25, 25), source.randint(-25, 25), source.choice([1, 2, -1, -3])
            )
            new = [source.random() for _ in items[part]]
            items[part] = new
            array[part] = iter(new)
            assert list(array) == items
        for wrong in ([], [1] * 19, [1] * 21):
            with pytest.raises(ValueError):
                array[:] = wrong
        with pytest.raises(TypeError):
            array[:] = 5
        array[:] = array
        array[::-1] = array
        assert list(array) == items[::-1]

    def test_equality_compares_the_items(self):
        assert Array([1, 2]) == Array([1, 2]) == Array([1, 2], "q") == Array([1, 2], "d")
        assert Array([1]) != Array([2]) and Array([1]) != Array([1, 2]) and Array([1]) != [1]
        nan = Array([math.nan, 2**100])
        assert nan == nan.copy() or sys._is_gil_enabled() is False
        with pytest.raises(TypeError):
            hash(nan)
        with pytest.raises(TypeError):
            Array([1]) < Array([2])

        class Bad:
            def __eq__(self, other):
                raise ZeroDivisionError

        for compare in (
            lambda: Array([Bad()]) == Array([1]),
            lambda: Array([1]) != Array([Bad()]),
            lambda: Bad() in Array([1]),
            lambda: Array([Bad()]).count(3),
            lambda: Array([Bad()]).index(3),
        ):
            with pytest.raises(ZeroDivisionError):
                compare()

    def test_comparing_may_change_the_array(self):
        class Sly:
            def __eq__(self, other):
                array[0] = array[1] = "changed"
                return False

        array = Array([Sly(), Sly(), Sly()])
        assert "nothing" not in array

    def test_copies(self):
        for array in (Array(["a", 1, []]), Array([1, 2], "q"), Array([1.5], "d"), Array(0)):
            for again in (
                array.copy(),
                copy.copy(array),
                copy.deepcopy(array),
                pickle.loads(pickle.dumps(array)),
            ):
                assert again == array and again.type == array.type and again is not array
            assert array.tolist() == list(array)

    def test_an_array_may_contain_itself(self):
        array = Array(2)
        array[0] = array
        assert repr(array) == "Array([Array(...), None])"
        for again in (copy.deepcopy(array), pickle.loads(pickle.dumps(array))):
            assert again[0] is again
        other = Array(2)
        other[0] = other
        with pytest.raises(RecursionError):
            array == other
        array[0] = other[0] = None

    def test_repr(self):
        assert (
            repr(Array([1, "a"])) == "Array([1, 'a'])"
            and repr(Array([1], "q")) == "Array([1], type='q')"
        )
        assert (
            repr(Array(range(5000)))
            == "Array([0, 1, 2, 3, 4, ..., 4995, 4996, 4997, 4998, 4999], length=5000)"
        )

    def test_iteration_reads_each_slot_when_it_is_reached(self):
        array = Array(range(3))
        iterator = iter(array)
        assert next(iterator) == 0 and iterator.__length_hint__() == 2
        array[2] = "new"
        assert (
            list(iterator) == [1, "new"]
            and list(iterator) == []
            and iterator.__length_hint__() == 0
        )
        assert iter(iterator) is iterator

    def test_threads_may_share_an_iterator(self):
        iterator = iter(Array(range(8000)))
        assert sorted(x for part in in_threads(lambda _: list(iterator)) for x in part) == list(
            range(8000)
        )

    def test_subclasses(self):
        class Row(Array):
            def __init__(self, items, note=None):
                super().__init__(items)
                self.note = note

            def __getitem__(self, index):
                return ("own", super().__getitem__(index))

        row = Row([1, 2])
        row.note = "kept"
        assert (
            row[1] == ("own", 2) and type(row).__name__ in repr(row) and weakref.ref(row)() is row
        )
        assert Array[int].__origin__ is Array
        plain = type("Plain", (Array,), {})([1])
        plain.note = 5
        again = pickle.loads(pickle.dumps(plain)) if False else copy.copy(plain)
        assert type(again) is type(plain) and again.note == 5 and again[0] == 1


class TestBuffer:
    @pytest.mark.parametrize("kind", ["q", "d"])
    def test_the_memory_is_the_array(self, kind):
        array = Array([1, 2, 3], kind)
        view = memoryview(array)
        assert (
            view.format,
            view.itemsize,
            view.shape,
            view.strides,
            view.readonly,
            view.nbytes,
        ) == (kind, 8, (3,), (8,), False, 24)
        view[0] = 7
        array[1] = 8
        assert (
            list(array) == [7, 8, 3] and view.tolist() == [7, 8, 3] and bytes(view) == bytes(array)
        )
        assert view[::2].tolist() == [7, 3]
        del array
        gc.collect()
        assert view.tolist() == [7, 8, 3]

    def test_empty_and_object_arrays(self):
        assert memoryview(Array(0, "q")).tolist() == []
        with pytest.raises(BufferError):
            memoryview(Array(3))

    def test_from_a_buffer(self):
        source = memoryview(Array([1, 2, 3], "q"))
        assert list(Array(source, "q")) == [1, 2, 3] and list(Array(source, "d")) == [1.0, 2.0, 3.0]
        assert list(Array(source[::2], "q")) == [1, 3]
        assert list(Array(b"ab", "q")) == [97, 98]

    def test_numpy(self):
        numpy = pytest.importorskip("numpy")
        array = Array(4, "d")
        seen = numpy.asarray(array)
        seen += 1.5
        assert list(array) == [1.5] * 4 and list(Array(seen, "d")) == [1.5] * 4


class TestThreads:
    def test_items_are_never_torn_or_lost(self):
        array = Array(8)
        made = in_threads(lambda n: [array.swap(i % 8, (n, i)) for i in range(2000)])
        everything = [x for part in made for x in part] + list(array)
        assert sorted(x for x in everything if x) == sorted(
            (n, i) for n in range(4) for i in range(2000)
        )

    def test_strings_replaced_in_place(self):
        count = 20_000
        array = Array([f"name{i} surname{i}" for i in range(count)])

        def work(n):
            for i in range(n * count // 4, (n + 1) * count // 4):
                array[i] = array[i].upper()

        in_threads(work)
        assert list(array) == [f"NAME{i} SURNAME{i}" for i in range(count)]

    def test_reading_while_others_replace(self):
        array = Array([f"start{i}" for i in range(4)])

        def work(n):
            for i in range(5000):
                if n < 2:
                    array[i % 4] = f"{n} {i}"
                else:
                    assert isinstance(array[i % 4], str) and str(array[i % 4])

        in_threads(work)

    def test_the_collector_runs_during_operations(self):
        array = Array(16)

        def work(n):
            for i in range(300):
                node = Node()
                node.array = array
                array[(n + i) % 16] = node
                if i % 30 == 0:
                    gc.collect()
                assert array[i % 16] is None or array[i % 16].array is array

        in_threads(work)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: Array([x]),
        lambda x: Array(3, fill=x),
        lambda x: iter(Array([x])),
        lambda x: Array([iter(Array([x]))]),
    ],
)
def test_cycles_are_collected(make):
    node = Node()
    node.array = make(node)
    gone = weakref.ref(node)
    del node
    gc.collect()
    assert gone() is None


def test_dropping_an_array_drops_its_items():
    nodes = [Node() for _ in range(100)]
    gone = [weakref.ref(node) for node in nodes]
    array = Array(nodes)
    del nodes
    gc.collect()
    assert all(node() for node in gone)
    del array
    gc.collect()
    assert not any(node() for node in gone)


def test_a_long_chain_is_freed_without_stack_overflow():
    chain = None
    for _ in range(200_000):
        chain = Array([chain])
    del chain
    gc.collect()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_replacing_a_million_times_leaks_nothing():
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    array = Array(100)

    def replace(n):
        for i in range(250_000):
            array[i % 100] = f"a string of some length {i}"

    in_threads(replace)
    before = resident()
    in_threads(replace)
    assert resident() - before < 16 << 20
