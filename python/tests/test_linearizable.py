"""Checks every linearizable structure against its specification in thousands of short histories."""

import pytest
import specifications as spec
import subjects
from history import Round, check_random_rounds, run_rounds
from programs import keyed, new, plain, putting, random_program, small, unique_value

import ungil

KEYS = {
    "one str": ["k"],
    "two str": ["k", "l"],
    "int": [5, 5 + (1 << 40)],
    "colliding": [subjects.Key("a"), subjects.Key("b"), subjects.Key("c")],
}


def test_array_slots():
    program = random_program(
        keyed("get", [0, 1]),
        keyed("set", [0, 1], new),
        keyed("get_and_set", [0, 1], new),
        keyed("compare_and_set", [0, 1], small, small),
        keyed("set", [0, 1], small),
    )
    check_random_rounds(lambda: subjects.array(0, 0), program, spec.ArraySlots(0), rounds=400)


def test_array_slots_holding_objects():
    """With objects instead of numbers, each read takes a reference that a replacement drops."""
    program = random_program(
        keyed("get", [0]),
        keyed("set", [0], lambda rng: str(unique_value())),
        keyed("get_and_set", [0], lambda rng: (unique_value(),)),
    )
    check_random_rounds(
        lambda: subjects.array("first"), program, spec.ArraySlots("first"), rounds=400
    )


def test_array_updated_by_functions():
    program = random_program(keyed("get", [0]), keyed("update_and_get", [0], lambda rng: 1))

    class Specification(spec.ArraySlots):
        def update_and_get(self, state, n):
            return state + n, state + n

    check_random_rounds(lambda: subjects.array(0), program, Specification(0), rounds=400)


@pytest.mark.parametrize("kind", "qd")
def test_typed_array_slots(kind):
    def make():
        return subjects.Slots(
            ungil.Array([0, 0], type=kind) if kind == "q" else ungil.Array([0.0, 0.0], type=kind)
        )

    def number(rng):
        return unique_value() if kind == "q" else float(unique_value())

    def one(rng):
        return 1 if kind == "q" else 1.0

    program = random_program(
        keyed("get", [0, 1]),
        keyed("set", [0, 1], number),
        keyed("get_and_add", [0, 1], one),
        keyed("add_and_get", [0, 1], one),
        keyed("get_and_set", [0, 1], number),
    )
    check_random_rounds(make, program, spec.ArraySlots(0 if kind == "q" else 0.0), rounds=400)


def test_atomic_int():
    program = random_program(
        plain("get"),
        putting("set"),
        plain("increment_and_get"),
        plain("get_and_increment"),
        plain("add_and_get", 3),
        plain("get_and_add", -2),
        putting("get_and_set"),
        lambda rng: ("compare_and_set", (small(rng), small(rng))),
        lambda rng: ("set", (small(rng),)),
    )
    check_random_rounds(lambda: ungil.AtomicInt(0), program, spec.Integer(0), rounds=400)


def test_atomic_int_updated_by_functions():
    def double_and_one(n):
        return 2 * n + 1

    program = random_program(
        plain("update_and_get", subjects.slow(double_and_one)),
        plain("increment_and_get"),
        plain("get"),
        calls=4,
    )
    check_random_rounds(lambda: ungil.AtomicInt(0), program, spec.Integer(0), rounds=400)


def test_atomic_ref():
    values = ["a", "b", 1, 2.5, None, "c" * 30]
    program = random_program(
        plain("get"),
        lambda rng: ("set", (rng.choice(values),)),
        lambda rng: ("get_and_set", (str(unique_value()),)),
        lambda rng: ("compare_and_set", (rng.choice(values), rng.choice(values))),
    )
    check_random_rounds(lambda: ungil.AtomicRef("a"), program, spec.Integer("a"), rounds=400)


def test_atomic_flag():
    program = random_program(plain("test_and_set"), plain("set"), plain("clear"), plain("is_set"))
    check_random_rounds(lambda: ungil.AtomicFlag(), program, spec.Flag(), rounds=400)


def test_adder_of_ones():
    program = random_program(plain("add", 1), plain("sum"))
    check_random_rounds(ungil.Adder, program, spec.Sum(), rounds=300, threads=4)


@pytest.mark.parametrize("keys", KEYS)
def test_concurrent_dict(keys):
    keys = KEYS[keys]
    program = random_program(
        keyed("get", keys),
        keyed("getitem", keys),
        keyed("contains", keys),
        keyed("setitem", keys, new),
        keyed("setitem", keys, small),
        keyed("delitem", keys),
        keyed("pop", keys),
        keyed("pop", keys, lambda rng: None),
        keyed("setdefault", keys, new),
        keyed("get_and_set", keys, new),
        keyed("compare_and_set", keys, small, small),
        keyed("remove", keys, small),
    )
    check_random_rounds(
        lambda: subjects.Mapping(ungil.ConcurrentDict()), program, spec.Map(), rounds=400
    )


@pytest.mark.parametrize("keys", KEYS)
def test_concurrent_dict_computing(keys):
    keys = KEYS[keys]
    program = random_program(
        keyed("increment", keys),
        keyed("merge_sum", keys, lambda rng: 2),
        keyed("absent_compute", keys, small),
        keyed("present_increment", keys),
        keyed("delitem", keys),
        keyed("get", keys),
    )
    check_random_rounds(
        lambda: subjects.Mapping(ungil.ConcurrentDict()), program, spec.Map(), rounds=400
    )


def test_concurrent_dict_while_it_grows():
    """Reads two keys while a third thread grows and shrinks the table through several sizes."""
    shared = ["k", "l"]
    program = random_program(
        keyed("get", shared),
        keyed("setitem", shared, new),
        keyed("pop", shared, lambda rng: None),
        keyed("setdefault", shared, new),
        calls=6,
    )

    def grow(rng, thread):
        if thread:
            return program(rng, thread)
        keys = rng.sample(range(1000), 40)
        return [("setitem", (key, key)) for key in keys] + [("delitem", (key,)) for key in keys]

    check_random_rounds(
        lambda: subjects.Mapping(ungil.ConcurrentDict()), grow, spec.Map(), rounds=300
    )


@pytest.mark.parametrize("keys", KEYS)
def test_concurrent_set(keys):
    keys = KEYS[keys]
    program = random_program(
        keyed("add", keys), keyed("discard", keys), keyed("remove", keys), keyed("contains", keys)
    )
    check_random_rounds(
        lambda: subjects.Members(ungil.ConcurrentSet()), program, spec.Members(), rounds=300
    )


@pytest.mark.parametrize("maxsize", [0, 1, 2, 3])
def test_queue(maxsize):
    program = random_program(putting("put_nowait"), plain("get_nowait"))
    check_random_rounds(lambda: ungil.Queue(maxsize), program, spec.Fifo(maxsize), rounds=400)


@pytest.mark.parametrize("maxsize", [1, 2, 0])
def test_queue_that_waits(maxsize):
    """As many gets as puts, so that every call returns."""

    def program(rng, thread):
        return [("put", (unique_value(),)) if thread % 2 else ("get", ()) for _ in range(5)]

    check_random_rounds(
        lambda: ungil.Queue(maxsize), program, spec.Fifo(maxsize), rounds=200, threads=4
    )


@pytest.mark.parametrize("maxsize", [0, 2])
def test_lifo_queue(maxsize):
    program = random_program(putting("put_nowait"), plain("get_nowait"))
    check_random_rounds(lambda: ungil.LifoQueue(maxsize), program, spec.Lifo(maxsize), rounds=400)


@pytest.mark.parametrize("maxsize", [0, 2])
def test_priority_queue(maxsize):
    program = random_program(lambda rng: ("put_nowait", (rng.randrange(100),)), plain("get_nowait"))
    check_random_rounds(
        lambda: ungil.PriorityQueue(maxsize), program, spec.Priority(maxsize), rounds=400
    )


def test_append_list():
    program = random_program(
        putting("append"),
        putting("append"),
        lambda rng: ("get", (rng.randrange(6),)),
        plain("len"),
        calls=4,
    )
    check_random_rounds(lambda: subjects.Rows(ungil.AppendList()), program, spec.Rows(), rounds=300)


@pytest.mark.parametrize("fair", [False, True])
def test_lock(fair):
    def looking(rng):
        return [("locked", ())] if rng.random() < 0.5 else []

    program = subjects.locked(looking)
    check_random_rounds(
        lambda: subjects.Lock(ungil.Lock(fair=fair)), program, spec.Exclusion(), rounds=300
    )


@pytest.mark.parametrize("fair", [False, True])
def test_lock_tried(fair):
    program = random_program(plain("try_acquire"), plain("locked"))
    check_random_rounds(
        lambda: subjects.Lock(ungil.Lock(fair=fair)), program, spec.Exclusion(), rounds=400
    )


def test_semaphore():
    program = subjects.locked()
    check_random_rounds(
        lambda: subjects.Lock(ungil.Semaphore(2)), program, spec.Permits(2), rounds=300
    )


def test_semaphore_tried():
    program = random_program(plain("try_acquire"), plain("release"))
    check_random_rounds(
        lambda: subjects.Lock(ungil.Semaphore(1)), program, spec.Permits(1), rounds=400
    )


def test_read_write_lock():
    def program(rng, thread):
        return [
            (call, ())
            for kind in rng.choices(["read", "write"], k=3)
            for call in (f"acquire_{kind}", f"release_{kind}")
        ]

    check_random_rounds(ungil.RWLock, program, spec.ReadersWriter(), rounds=300)


def test_exchanger():
    """Values are exchanged in pairs.

    No sequential object behaves like this, so the histories are checked directly.
    """

    for _ in range(20):
        values = [unique_value() for _ in range(4)]
        rounds = [Round(ungil.Exchanger(), [[("exchange", (value,))] for value in values])]
        (history,) = run_rounds(rounds, seed=values[0])
        given = {call.arguments[0]: call for call in history}
        for call in history:
            partner = given[call.result]
            assert partner.result == call.arguments[0] and partner is not call
            assert partner.invoked <= call.returned and call.invoked <= partner.returned
