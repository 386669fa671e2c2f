"""Operators. An in-place operator changes the object or is rejected.

The name on its left never refers to a new object afterwards.
"""

import collections
import itertools
import operator
import tempfile

import pytest

import ungil

IN_PLACE = [
    operator.iadd, operator.iand, operator.iconcat, operator.ifloordiv, operator.ilshift, operator.imatmul, operator.imod, operator.imul,
    operator.ior, operator.ipow, operator.irshift, operator.isub, operator.itruediv, operator.ixor,
]  # fmt: skip

MAKE = {
    "Accumulator": lambda: ungil.Accumulator(max, 0),
    "Adder": ungil.Adder,
    "AppendList": lambda: ungil.AppendList([1, 2]),
    "Array": lambda: ungil.Array([1, 2]),
    "Array of ints": lambda: ungil.Array([1, 2], "q"),
    "AtomicFlag": ungil.AtomicFlag,
    "AtomicInt": lambda: ungil.AtomicInt(3),
    "AtomicRef": lambda: ungil.AtomicRef(None),
    "ConcurrentCounter": lambda: ungil.ConcurrentCounter("aab"),
    "ConcurrentDict": lambda: ungil.ConcurrentDict({1: 2}),
    "ConcurrentSet": lambda: ungil.ConcurrentSet([1, 2]),
    "DelayQueue": ungil.DelayQueue,
    "Latch": lambda: ungil.Latch(1),
    "Lock": ungil.Lock,
    "PerThread": lambda: ungil.PerThread(int),
    "Phaser": lambda: ungil.Phaser(1),
    "Queue": ungil.Queue,
    "Semaphore": ungil.Semaphore,
    "StripedLock": ungil.StripedLock,
    "keys of a ConcurrentDict": lambda: ungil.ConcurrentDict({1: 2}).keys(),
    "items of a ConcurrentDict": lambda: ungil.ConcurrentDict({1: 2}).items(),
}

OTHERS = {
    "int": lambda: 2,
    "float": lambda: 2.5,
    "str": lambda: "ab",
    "bytes": lambda: b"ab",
    "list": lambda: [1, 3],
    "list of pairs": lambda: [(1, 3)],
    "tuple": lambda: (1, 3),
    "range": lambda: range(3),
    "generator": lambda: (n for n in (1, 3)),
    "set": lambda: {1, 3},
    "frozenset": lambda: frozenset({1, 3}),
    "dict": lambda: {1: 3},
    "keys": lambda: {1: 3}.keys(),
    "items": lambda: {1: 3}.items(),
    "Counter": lambda: collections.Counter("abc"),
    "deque": lambda: collections.deque([1, 3]),
    "None": lambda: None,
}


# A view as the right operand of an operator that the left does not have makes a set of any iterable
# and itself, as the view of a dict does.
VIEWS = ["keys", "items", "keys of a ConcurrentDict", "items of a ConcurrentDict"]


@pytest.mark.parametrize("name", MAKE)
def test_in_place_operators_change_the_object_or_are_rejected(name):
    if name in VIEWS:
        pytest.skip("a view cannot be changed: as for a dict's, the result is a new set")
    for change, (kind, other) in itertools.product(IN_PLACE, {**OTHERS, **MAKE}.items()):
        if kind in VIEWS and name != "ConcurrentSet":
            continue
        made = MAKE[name]()
        try:
            changed = change(made, other())
        except TypeError, ValueError, AttributeError:
            continue
        assert changed is made, (
            f"{name} {change.__name__} {kind} gave a new {type(changed).__name__}"
        )


@pytest.mark.parametrize(
    "symbol", ["or_", "and_", "sub", "xor", "ior", "iand", "isub", "ixor", "le", "lt", "ge", "gt"]
)
@pytest.mark.parametrize(
    "kind", ["list", "tuple", "range", "generator", "str", "dict", "Counter", "None", "int"]
)
def test_set_operators_reject_other_types(symbol, kind):
    """As with `set`: the methods take any iterable, the operators only sets."""
    apply = getattr(operator, symbol)
    ours = ungil.ConcurrentSet([1, 2])
    for left, right in ((ours, OTHERS[kind]()), (OTHERS[kind](), ours)):
        # A Counter calls `items` of its right operand.
        with pytest.raises((TypeError, AttributeError) if kind == "Counter" else TypeError):
            apply(left, right)
    assert ours == {1, 2}


@pytest.mark.parametrize("kind", ["set", "frozenset", "keys"])
@pytest.mark.parametrize("symbol", ["or_", "and_", "sub", "xor"])
def test_set_operators_accept_sets_on_either_side(symbol, kind):
    apply, other = getattr(operator, symbol), OTHERS[kind]()
    ours = ungil.ConcurrentSet([1, 2])
    for left, right, expected in (
        (ours, other, apply({1, 2}, set(other))),
        (other, ours, apply(set(other), {1, 2})),
    ):
        made = apply(left, right)
        # The view of a dict makes a set of any right operand.
        kept = left is ours or kind != "keys"
        assert (
            type(made) is (ungil.ConcurrentSet if kept else set)
            and made is not ours
            and made == expected
        )
    assert ours == {1, 2}


def test_a_counter_rejects_in_place_union():
    counter = same = ungil.ConcurrentCounter("aab")
    with pytest.raises(TypeError, match="update"):
        counter |= ungil.ConcurrentDict({1: 2})
    assert counter is same and counter == collections.Counter("aab")


def test_a_mapped_array_in_place():
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(16))
        file.flush()
        with ungil.MappedArray(file.name) as mapped:
            for change, kind in itertools.product(IN_PLACE, OTHERS.keys() - set(VIEWS)):
                with pytest.raises((TypeError, ValueError)):
                    change(mapped, OTHERS[kind]())
