"""Every structure that claims to be linearizable, held against its specification in thousands of short concurrent histories."""

import pytest
import specifications as spec
import subjects
from history import Round, examine, play
from programs import drawing, fresh, keyed, new, plain, putting, small

import ungil

KEYS = {
    "one str": ["k"],
    "two str": ["k", "l"],
    "int": [5, 5 + (1 << 40)],
    "colliding": [subjects.Key("a"), subjects.Key("b"), subjects.Key("c")],
}


def test_array_slots():
    program = drawing(
        keyed("get", [0, 1]),
        keyed("set", [0, 1], new),
        keyed("get_and_set", [0, 1], new),
        keyed("compare_and_set", [0, 1], small, small),
        keyed("set", [0, 1], small),
    )
    examine(lambda: subjects.array(0, 0), program, spec.ArraySlots(0), rounds=400)


def test_array_slots_holding_objects():
    """Objects rather than numbers: each read takes a count that a replacement drops."""
    program = drawing(
        keyed("get", [0]),
        keyed("set", [0], lambda rng: str(fresh())),
        keyed("get_and_set", [0], lambda rng: (fresh(),)),
    )
    examine(lambda: subjects.array("first"), program, spec.ArraySlots("first"), rounds=400)


def test_array_updated_by_functions():
    program = drawing(keyed("get", [0]), keyed("update_and_get", [0], lambda rng: 1))

    class Specification(spec.ArraySlots):
        def update_and_get(self, state, n):
            return state + n, state + n

    examine(lambda: subjects.array(0), program, Specification(0), rounds=400)


@pytest.mark.parametrize("kind", "qd")
def test_typed_array_slots(kind):
    def make():
        return subjects.Slots(
            ungil.Array([0, 0], type=kind) if kind == "q" else ungil.Array([0.0, 0.0], type=kind)
        )

    def number(rng):
        return fresh() if kind == "q" else float(fresh())

    def one(rng):
        return 1 if kind == "q" else 1.0

    program = drawing(
        keyed("get", [0, 1]),
        keyed("set", [0, 1], number),
        keyed("get_and_add", [0, 1], one),
        keyed("add_and_get", [0, 1], one),
        keyed("get_and_set", [0, 1], number),
    )
    examine(make, program, spec.ArraySlots(0 if kind == "q" else 0.0), rounds=400)


def test_atomic_int():
    program = drawing(
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
    examine(lambda: ungil.AtomicInt(0), program, spec.Integer(0), rounds=400)


def test_atomic_int_updated_by_functions():
    def double_and_one(n):
        return 2 * n + 1

    program = drawing(
        plain("update_and_get", subjects.slow(double_and_one)),
        plain("increment_and_get"),
        plain("get"),
        calls=4,
    )
    examine(lambda: ungil.AtomicInt(0), program, spec.Integer(0), rounds=400)


def test_atomic_ref():
    values = ["a", "b", 1, 2.5, None, "c" * 30]
    program = drawing(
        plain("get"),
        lambda rng: ("set", (rng.choice(values),)),
        lambda rng: ("get_and_set", (str(fresh()),)),
        lambda rng: ("compare_and_set", (rng.choice(values), rng.choice(values))),
    )
    examine(lambda: ungil.AtomicRef("a"), program, spec.Integer("a"), rounds=400)


def test_atomic_flag():
    program = drawing(plain("test_and_set"), plain("set"), plain("clear"), plain("is_set"))
    examine(lambda: ungil.AtomicFlag(), program, spec.Flag(), rounds=400)


def test_adder_of_ones():
    program = drawing(plain("add", 1), plain("sum"))
    examine(ungil.Adder, program, spec.Sum(), rounds=300, threads=4)


@pytest.mark.parametrize("keys", KEYS)
def test_concurrent_dict(keys):
    keys = KEYS[keys]
    program = drawing(
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
    examine(lambda: subjects.Mapping(ungil.ConcurrentDict()), program, spec.Map(), rounds=400)


@pytest.mark.parametrize("keys", KEYS)
def test_concurrent_dict_computing(keys):
    keys = KEYS[keys]
    program = drawing(
        keyed("increment", keys),
        keyed("merge_sum", keys, lambda rng: 2),
        keyed("absent_compute", keys, small),
        keyed("present_increment", keys),
        keyed("delitem", keys),
        keyed("get", keys),
    )
    examine(lambda: subjects.Mapping(ungil.ConcurrentDict()), program, spec.Map(), rounds=400)


def test_concurrent_dict_while_it_grows():
    """Two keys are looked at while a third thread makes the table grow through several sizes, and shrink."""
    shared = ["k", "l"]
    program = drawing(
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

    examine(lambda: subjects.Mapping(ungil.ConcurrentDict()), grow, spec.Map(), rounds=300)


@pytest.mark.parametrize("keys", KEYS)
def test_concurrent_set(keys):
    keys = KEYS[keys]
    program = drawing(
        keyed("add", keys), keyed("discard", keys), keyed("remove", keys), keyed("contains", keys)
    )
    examine(lambda: subjects.Members(ungil.ConcurrentSet()), program, spec.Members(), rounds=300)


@pytest.mark.parametrize("maxsize", [0, 1, 2, 3])
def test_queue(maxsize):
    program = drawing(putting("put_nowait"), plain("get_nowait"))
    examine(lambda: ungil.Queue(maxsize), program, spec.Fifo(maxsize), rounds=400)


@pytest.mark.parametrize("maxsize", [1, 2, 0])
def test_queue_that_waits(maxsize):
    """As many gets as puts, so that every one ends."""

    def program(rng, thread):
        return [("put", (fresh(),)) if thread % 2 else ("get", ()) for _ in range(5)]

    examine(lambda: ungil.Queue(maxsize), program, spec.Fifo(maxsize), rounds=200, threads=4)


@pytest.mark.parametrize("maxsize", [0, 2])
def test_lifo_queue(maxsize):
    program = drawing(putting("put_nowait"), plain("get_nowait"))
    examine(lambda: ungil.LifoQueue(maxsize), program, spec.Lifo(maxsize), rounds=400)


@pytest.mark.parametrize("maxsize", [0, 2])
def test_priority_queue(maxsize):
    program = drawing(lambda rng: ("put_nowait", (rng.randrange(100),)), plain("get_nowait"))
    examine(lambda: ungil.PriorityQueue(maxsize), program, spec.Priority(maxsize), rounds=400)


def test_append_list():
    program = drawing(
        putting("append"),
        putting("append"),
        lambda rng: ("get", (rng.randrange(6),)),
        plain("len"),
        calls=4,
    )
    examine(lambda: subjects.Rows(ungil.AppendList()), program, spec.Rows(), rounds=300)


@pytest.mark.parametrize("fair", [False, True])
def test_lock(fair):
    def looking(rng):
        return [("locked", ())] if rng.random() < 0.5 else []

    program = subjects.locked(looking)
    examine(lambda: subjects.Lock(ungil.Lock(fair=fair)), program, spec.Exclusion(), rounds=300)


@pytest.mark.parametrize("fair", [False, True])
def test_lock_tried(fair):
    program = drawing(plain("try_acquire"), plain("locked"))
    examine(lambda: subjects.Lock(ungil.Lock(fair=fair)), program, spec.Exclusion(), rounds=400)


def test_semaphore():
    program = subjects.locked()
    examine(lambda: subjects.Lock(ungil.Semaphore(2)), program, spec.Permits(2), rounds=300)


def test_semaphore_tried():
    program = drawing(plain("try_acquire"), plain("release"))
    examine(lambda: subjects.Lock(ungil.Semaphore(1)), program, spec.Permits(1), rounds=400)


def test_read_write_lock():
    def program(rng, thread):
        return [
            (call, ())
            for kind in rng.choices(["read", "write"], k=3)
            for call in (f"acquire_{kind}", f"release_{kind}")
        ]

    examine(ungil.RWLock, program, spec.ReadersWriter(), rounds=300)


def test_exchanger():
    """Who exchanges gets what the other gave: pairs, and nobody alone. (No sequential object does this, so it is checked by hand.)"""

    for _ in range(20):
        values = [fresh() for _ in range(4)]
        rounds = [Round(ungil.Exchanger(), [[("exchange", (value,))] for value in values])]
        (history,) = play(rounds, seed=values[0])
        given = {call.arguments[0]: call for call in history}
        for call in history:
            partner = given[call.result]
            assert partner.result == call.arguments[0] and partner is not call
            assert partner.invoked <= call.returned and call.invoked <= partner.returned
