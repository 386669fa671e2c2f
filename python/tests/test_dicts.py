"""ConcurrentDict as a mapping: what CPython's own mapping tests check, and its own methods.

The tests of CPython are `BasicTestMappingProtocol` and `TestHashMappingProtocol`.
"""

import collections.abc
import copy
import pickle
import random

import pytest

from ungil import ABSENT, ConcurrentDict


class Bad(Exception):
    pass


class BadHash:
    fail = False

    def __hash__(self):
        if self.fail:
            raise Bad
        return 42


class BadEq:
    def __eq__(self, other):
        raise Bad

    def __hash__(self):
        return 24


def reference():
    return {"1": 2, "key1": "value1", "key2": (1, 2, 3)}


def test_reading():
    d = ConcurrentDict()
    assert not d and len(d) == 0 and list(d) == []
    r = reference()
    d = ConcurrentDict(r)
    assert d and len(d) == 3 and d == r
    assert all(d[k] == v and d.get(k) == v and k in d for k, v in r.items())
    assert "absent" not in d and d.get("absent") is None and d.get("absent", 3) == 3
    with pytest.raises(KeyError) as error:
        d["absent"]
    assert error.value.args == ("absent",)
    with pytest.raises(KeyError) as error:
        d[(1, 2)]
    assert error.value.args == ((1, 2),)
    assert sorted(map(str, d.keys())) == sorted(r) and set(d) == set(r)
    assert set(d.items()) == set(r.items()) and sorted(map(str, d.values())) == sorted(
        map(str, r.values())
    )
    for bad in ((), (1, 2, 3)):
        with pytest.raises(TypeError):
            d.get(*bad)


def test_writing():
    d = ConcurrentDict()
    d[1] = "a"
    d[1] = "b"
    d["x"] = None
    assert d == {1: "b", "x": None} and len(d) == 2
    del d[1]
    with pytest.raises(KeyError):
        del d[1]
    assert d.setdefault("y") is None and d.setdefault("y", 5) is None and d.setdefault("z", 5) == 5
    assert d.pop("z") == 5 and d.pop("z", 7) == 7
    with pytest.raises(KeyError):
        d.pop("z")
    with pytest.raises(TypeError):
        d.pop("z", 1, 2)
    assert sorted([d.popitem(), d.popitem()]) == [("x", None), ("y", None)]
    with pytest.raises(KeyError):
        d.popitem()
    d[1] = 2
    d.clear()
    assert not d and list(d) == [] and d == {}


def test_update():
    class Keys:
        def keys(self):
            return ["a", "b"]

        def __getitem__(self, key):
            return key * 2

    d = ConcurrentDict()
    d.update({1: 100}, x=2)
    d.update([(2, 200), [3, 300]])
    d.update(Keys())
    d.update()
    d.update(ConcurrentDict({4: 400}))
    assert d == {1: 100, "x": 2, 2: 200, 3: 300, "a": "aa", "b": "bb", 4: 400}
    assert ConcurrentDict(self=1, other=2) == {"self": 1, "other": 2}
    for wrong, error in (
        (42, TypeError),
        (None, TypeError),
        ([(1, 2, 3)], ValueError),
        ([1], TypeError),
    ):
        with pytest.raises(error):
            d.update(wrong)
        with pytest.raises(error):
            ConcurrentDict(wrong)

    class Fails:
        def keys(self):
            raise Bad

    with pytest.raises(Bad):
        d.update(Fails())


def test_fromkeys_copy_equality():
    d = ConcurrentDict.fromkeys("abc")
    assert d == dict.fromkeys("abc") and ConcurrentDict.fromkeys((4, 5), 0) == {4: 0, 5: 0}

    class Sub(ConcurrentDict):
        pass

    assert type(Sub.fromkeys("a")) is Sub
    for twin in (d.copy(), copy.copy(d), copy.deepcopy(d), pickle.loads(pickle.dumps(d))):
        assert twin == d and twin is not d and isinstance(twin, ConcurrentDict)
        twin["z"] = 1
        assert twin != d
    assert d != 3 and d != [] and d == d and d == ConcurrentDict(d) and not d == {"a": 1}
    sub = Sub(x=[1])
    sub.note = 7
    again = pickle.loads(pickle.dumps(sub, 2)) if Sub.__qualname__ == "Sub" else copy.deepcopy(sub)
    assert type(again) is Sub and again.note == 7 and again == sub and again["x"] is not sub["x"]
    with pytest.raises(TypeError):
        hash(d)
    d["me"] = d
    twin = copy.deepcopy(d)
    assert twin["me"] is twin


def test_operators_repr_and_class():
    a, b = ConcurrentDict(x=1, y=2), {"y": 3}
    assert a | b == {"x": 1, "y": 3} and b | a == {"x": 1, "y": 2} and type(a | b) is ConcurrentDict
    with pytest.raises(TypeError):
        a | [("y", 3)]
    same = a
    same |= [("z", 1)]
    assert same is a and a["z"] == 1
    assert (
        repr(ConcurrentDict()) == "ConcurrentDict({})"
        and repr(ConcurrentDict({1: 2})) == "ConcurrentDict({1: 2})"
    )
    d = ConcurrentDict()
    d[1] = d
    assert repr(d) == "ConcurrentDict({1: ConcurrentDict({...})})"
    assert isinstance(d, collections.abc.MutableMapping)
    assert ConcurrentDict[str, int].__origin__ is ConcurrentDict
    with pytest.raises(TypeError):
        reversed(d)
    match ConcurrentDict(kind="point", x=1):
        case {"kind": "point", "x": x}:
            assert x == 1
        case _:
            pytest.fail("a map is not matched as one")
    with pytest.raises(RecursionError):
        for _ in range(5_000):
            d = ConcurrentDict({1: d})
        repr(d)


def test_missing_is_called_for_subclasses():
    class Default(ConcurrentDict):
        def __missing__(self, key):
            return key * 2

    d = Default(a=1)
    assert (
        d["a"] == 1
        and d["b"] == "bb"
        and "b" not in d
        and d.get("b") is None
        and d[3] == 6
        and d[(1,)] == (1, 1)
    )
    d = ConcurrentDict()
    with pytest.raises(KeyError):
        d["b"]


def test_views():
    d = ConcurrentDict(a=1, b=2)
    keys, values, items = d.keys(), d.values(), d.items()
    assert isinstance(keys, collections.abc.KeysView) and isinstance(
        items, collections.abc.ItemsView
    )
    assert (
        "a" in keys
        and 1 in values
        and ("a", 1) in items
        and ("a", 2) not in items
        and "a" not in items
    )
    assert (
        keys & {"a"} == {"a"}
        and keys | {"c"} == {"a", "b", "c"}
        and keys - {"a"} == {"b"}
        and {"a", "z"} - keys == {"z"}
    )
    assert (
        keys ^ {"a"} == {"b"}
        and keys == {"a", "b"}
        and keys.isdisjoint("xyz")
        and items == {("a", 1), ("b", 2)}
    )
    d["c"] = 3
    assert len(keys) == len(values) == len(items) == 3 and sorted(values) == [1, 2, 3]
    assert keys.mapping is d and repr(ConcurrentDict(a=1).items()) == "DictItems([('a', 1)])"


def test_equal_keys_are_the_same_key():
    d = ConcurrentDict({1: "int"})
    for key in (1.0, True, 1 + 0j):
        assert d[key] == "int" and key in d
    d[1.0] = "float"
    d[True] = "bool"
    assert d == {1: "bool"} and [type(k) for k in d] == [int]
    big = 2**70
    d = ConcurrentDict({big: 1, 2**61 - 1: 2, 0: 3, -1: 4, -2: 5, 0.5: 6, -0.0: 7, (1, 2): 8})
    assert d[2**70] == 1 and d[float(big)] == 1 and d[2**61 - 1] == 2 and d[0] == 7 and d[0.0] == 7
    assert d[-1] == 4 and d[-2] == 5 and d[0.5] == 6 and d[(1.0, True + 1)] == 8 and len(d) == 7
    nan = float("nan")
    d = ConcurrentDict({nan: 1})
    assert d[nan] == 1 and float("nan") not in d
    word = "".join(["ab", "cd"])
    d = ConcurrentDict({word: 1, b"abcd": 2})
    assert d["abcd"] == 1 and d[bytes([97, 98, 99, 100])] == 2

    class Str(str):
        pass

    assert d[Str("abcd")] == 1
    d[Str("new")] = 3
    assert d["new"] == 3


def test_failing_hash_and_comparison():
    d = ConcurrentDict({BadEq(): 1, 25: 2})
    for use in (
        lambda k: d[k],
        lambda k: d.__setitem__(k, 1),
        lambda k: d.__delitem__(k),
        d.get,
        d.pop,
        d.setdefault,
        lambda k: k in d,
    ):
        with pytest.raises(Bad):
            use(BadEq())
        with pytest.raises(TypeError):
            use([])
    key = BadHash()
    d[key] = 1
    key.fail = True
    for use in (
        lambda: d[key],
        lambda: d.get(key),
        lambda: d.compute_if_absent(key, str),
        lambda: d.merge(key, 1, max),
    ):
        with pytest.raises(Bad):
            use()
    assert len(d) == 3

    class BadRepr:
        def __repr__(self):
            raise Bad

    with pytest.raises(Bad):
        repr(ConcurrentDict({1: BadRepr()}))


def test_a_comparison_may_change_the_map():
    class Key:
        def __init__(self, work):
            self.work = work

        def __hash__(self):
            return 5

        def __eq__(self, other):
            return self is other or self.work(other)

    d = ConcurrentDict()
    for change in (
        d.clear,
        lambda: [d.__setitem__(n, n) for n in range(10, 2000)],
        lambda: d.pop(first, None),
    ):
        d.clear()
        first = Key(lambda other: change() and False)
        d[first] = 1
        d[Key(lambda other: False)] = 2
        assert d.get(Key(lambda other: False), "absent") == "absent"
        d[Key(lambda other: False)] = 3
    # A key that becomes equal while it is removed.
    d.clear()
    first = Key(lambda other: d.pop(first, None) is not None or True)
    d[first] = 1
    assert d.get(Key(lambda other: True), "absent") == "absent" and len(d) == 0


def test_many_keys_with_the_same_hash():
    class Key:
        def __init__(self, n):
            self.n = n

        def __hash__(self):
            return 1

        def __eq__(self, other):
            return self.n == other.n

    d = ConcurrentDict((Key(n), n) for n in range(300))
    assert all(d[Key(n)] == n for n in range(300)) and Key(301) not in d and len(d) == 300
    for n in range(0, 300, 2):
        del d[Key(n)]
    assert sorted(k.n for k in d) == list(range(1, 300, 2))


def test_random_operations_match_dict():
    random.seed(4)
    d, model = ConcurrentDict(), {}
    keys = [
        *range(30),
        *map(str, range(30)),
        *(n + 0.5 for n in range(10)),
        *((n,) for n in range(10)),
    ]
    for step in range(20_000):
        key, value = random.choice(keys), random.choice([step, str(step), [step]])
        match random.randrange(8):
            case 0 | 1 | 2:
                d[key] = model[key] = value
            case 3:
                assert d.pop(key, None) == model.pop(key, None)
            case 4:
                assert d.setdefault(key, value) == model.setdefault(key, value)
            case 5:
                assert d.get(key) == model.get(key)
            case 6 if random.random() < 0.01:
                d.clear(), model.clear()
            case 7:
                assert d.get_and_set(key, value) == model.get(key)
                model[key] = value
    assert d == model and len(d) == len(model) and d.snapshot() == model and ABSENT not in d
