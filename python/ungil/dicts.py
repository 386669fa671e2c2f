"""Maps, sets and counters that many threads share.

What is called often is in `ungil._ungil`; the rest of each protocol is here. Order of insertion is not kept.
"""

from __future__ import annotations

import collections
import collections.abc
import heapq
import itertools
import reprlib
import threading
from types import GenericAlias

from ungil._ungil import ABSENT
from ungil._ungil import Counter as _Counter
from ungil._ungil import Dict as _Dict
from ungil._ungil import Set as _Set

__all__ = ["ABSENT", "ConcurrentCounter", "ConcurrentDict", "ConcurrentSet"]


class _View:
    """What the three views share: they show what is there when they are asked."""

    __slots__ = ()

    @property
    def mapping(self):
        return self._mapping

    @reprlib.recursive_repr("...")
    def __repr__(self):
        return f"{type(self).__name__}({list(self)!r})"


class DictKeys(_View, collections.abc.KeysView):
    __slots__ = ()

    def __iter__(self):
        return iter(self._mapping)


class DictValues(_View, collections.abc.ValuesView):
    __slots__ = ()

    def __iter__(self):
        return self._mapping._values()

    def __contains__(self, value):
        return any(v is value or v == value for v in self)


class DictItems(_View, collections.abc.ItemsView):
    __slots__ = ()

    def __iter__(self):
        return self._mapping._items()

    def __contains__(self, item):
        if not isinstance(item, tuple) or len(item) != 2:
            return False
        value = _Dict.get(self._mapping, item[0], ABSENT)
        return value is not ABSENT and (value is item[1] or value == item[1])


def _pairs(other):
    """The items of a mapping, or the pairs of an iterable, as dict.update takes them."""
    if isinstance(other, ConcurrentDict):
        yield from other._items()
    elif isinstance(other, collections.abc.Mapping):
        yield from other.items()
    elif hasattr(other, "keys"):
        for key in other.keys():
            yield key, other[key]
    else:
        for index, pair in enumerate(other):
            try:
                pair = tuple(pair)
            except TypeError:
                raise TypeError(f"cannot convert dictionary update sequence element #{index} to a sequence") from None
            if len(pair) != 2:
                raise ValueError(f"dictionary update sequence element #{index} has length {len(pair)}; 2 is required")
            yield pair


class ConcurrentDict(_Dict):
    __slots__ = ()
    __module__ = "ungil"
    __hash__ = None
    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, other=(), /, **kwargs):
        super().__init__()
        ConcurrentDict.update(self, other, **kwargs)

    def update(self, other=(), /, **kwargs):
        if not (isinstance(other, tuple) and not other):
            for key, value in _pairs(other):
                self[key] = value
        for key, value in kwargs.items():
            self[key] = value

    @classmethod
    def fromkeys(cls, iterable, value=None, /):
        made = cls()
        for key in iterable:
            made[key] = value
        return made

    def keys(self):
        return DictKeys(self)

    def values(self):
        return DictValues(self)

    def items(self):
        return DictItems(self)

    def copy(self):
        return ConcurrentDict(self)

    __copy__ = copy

    def __reduce__(self):
        # The items come last, so that a map that holds itself can be made again.
        return type(self), (), getattr(self, "__dict__", None) or None, None, self._items()

    @reprlib.recursive_repr("ConcurrentDict({...})")
    def __repr__(self):
        return f"{type(self).__name__}({self.snapshot()!r})"

    def __eq__(self, other):
        if self is other:
            return True
        if isinstance(other, _Dict):
            other = other.snapshot()
        elif not isinstance(other, collections.abc.Mapping):
            return NotImplemented
        mine = self.snapshot()
        return mine == (other if isinstance(other, dict) else dict(other.items()))

    def __or__(self, other):
        if not isinstance(other, collections.abc.Mapping):
            return NotImplemented
        made = ConcurrentDict(self)
        made.update(other)
        return made

    def __ror__(self, other):
        if not isinstance(other, collections.abc.Mapping):
            return NotImplemented
        made = ConcurrentDict(other)
        made.update(self)
        return made

    def __ior__(self, other):
        self.update(other)
        return self

    def reduce(self, function, combine, initial, *, workers=None):
        return _reduce(self, lambda pair: function(*pair), combine, initial, workers)


def _reduce(structure, function, combine, initial, workers):
    """`combine` over `function` of every entry, the parts dealt out to `workers` threads, of which the caller's is one."""
    if workers is None:
        import os

        workers = os.process_cpu_count() or 1
    if isinstance(workers, bool) or not isinstance(workers, int):
        raise TypeError(f"workers must be an int, not {type(workers).__name__}")
    if workers < 1:
        raise ValueError("workers must be at least 1")
    parts = iter(range(structure._shards()))
    lock = threading.Lock()
    results = []
    errors = []

    def work():
        total = initial
        try:
            while not errors:
                with lock:
                    part = next(parts, None)
                if part is None:
                    break
                for entry in structure._shard(part):
                    total = combine(total, function(entry))
            results.append(total)
        except BaseException as error:
            errors.append(error)

    wanted = min(workers, structure._shards(), 1 + len(structure) // 256)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(wanted - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    total = results[0]
    for result in results[1:]:
        total = combine(total, result)
    return total


class ConcurrentSet(_Set, collections.abc.MutableSet):
    __slots__ = ()
    __module__ = "ungil"
    __hash__ = None
    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, iterable=(), /):
        super().__init__()
        ConcurrentSet.update(self, iterable)

    @classmethod
    def _from_iterable(cls, iterable):
        return ConcurrentSet(iterable)

    def __reduce__(self):
        return type(self), (list(self),), getattr(self, "__dict__", None) or None

    @reprlib.recursive_repr("ConcurrentSet({...})")
    def __repr__(self):
        return f"{type(self).__name__}({list(self)!r})"

    def copy(self):
        return ConcurrentSet(self)

    __copy__ = copy

    def snapshot(self):
        return frozenset(self)

    def update(self, *others):
        for other in others:
            for element in other:
                self.add(element)

    def union(self, *others):
        made = ConcurrentSet(self)
        made.update(*others)
        return made

    def intersection(self, *others):
        others = [_as_set(other) for other in others]
        return ConcurrentSet(e for e in self if all(e in other for other in others))

    def difference(self, *others):
        others = [_as_set(other) for other in others]
        return ConcurrentSet(e for e in self if not any(e in other for other in others))

    def symmetric_difference(self, other):
        return self ^ _as_set(other)

    def intersection_update(self, *others):
        others = [_as_set(other) for other in others]
        for element in self:
            if not all(element in other for other in others):
                self.discard(element)

    def difference_update(self, *others):
        for other in others:
            for element in list(other) if other is self else other:
                self.discard(element)

    def symmetric_difference_update(self, other):
        other = set(other)
        for element in other:
            if not self.discard(element):
                self.add(element)

    def issubset(self, other):
        return self <= _as_set(other)

    def issuperset(self, other):
        return all(element in self for element in other)

    def isdisjoint(self, other):
        return not any(element in self for element in other)

    def __eq__(self, other):
        if not isinstance(other, collections.abc.Set):
            return NotImplemented
        return set(self) == set(other)

    def __or__(self, other):
        return self.union(other) if isinstance(other, collections.abc.Set) else NotImplemented

    __ror__ = __or__

    def __and__(self, other):
        return self.intersection(other) if isinstance(other, collections.abc.Set) else NotImplemented

    __rand__ = __and__

    def __sub__(self, other):
        return self.difference(other) if isinstance(other, collections.abc.Set) else NotImplemented

    def __ior__(self, other):
        if not isinstance(other, collections.abc.Set):
            return NotImplemented
        self.update(other)
        return self

    def __iand__(self, other):
        if not isinstance(other, collections.abc.Set):
            return NotImplemented
        self.intersection_update(other)
        return self

    def __isub__(self, other):
        if not isinstance(other, collections.abc.Set):
            return NotImplemented
        self.difference_update(other)
        return self

    def __ixor__(self, other):
        if not isinstance(other, collections.abc.Set):
            return NotImplemented
        self.symmetric_difference_update(other)
        return self

    def reduce(self, function, combine, initial, *, workers=None):
        return _reduce(self, function, combine, initial, workers)


def _as_set(other):
    return other if isinstance(other, collections.abc.Set) else set(other)


class ConcurrentCounter(_Counter):
    __slots__ = ()
    __module__ = "ungil"
    __hash__ = None
    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, iterable=(), /, **kwargs):
        super().__init__()
        ConcurrentCounter.update(self, iterable, **kwargs)

    def __iter__(self):
        return (key for key, _ in self._pairs())

    def _pairs(self):
        return itertools.chain.from_iterable(self._shard(part) for part in range(self._shards()))

    def _apply(self, sign, iterable, kwargs):
        add = self.add
        if isinstance(iterable, _Counter):
            iterable = iterable.snapshot()
        if isinstance(iterable, collections.abc.Mapping):
            for key, n in iterable.items():
                add(key, sign * n)
        else:
            for key in iterable:
                add(key, sign)
        for key, n in kwargs.items():
            add(key, sign * n)

    def update(self, iterable=(), /, **kwargs):
        self._apply(1, iterable, kwargs)

    def subtract(self, iterable=(), /, **kwargs):
        self._apply(-1, iterable, kwargs)

    def get(self, key, default=None, /):
        return self[key] if key in self else default

    def pop(self, key, *default):
        if len(default) > 1:
            raise TypeError(f"pop expected at most 2 arguments, got {1 + len(default)}")
        count = self._take(key)
        if count is None:
            if not default:
                raise KeyError(key)
            return default[0]
        return count

    def snapshot(self):
        return collections.Counter(dict(self._pairs()))

    def keys(self):
        return self.snapshot().keys()

    def values(self):
        return self.snapshot().values()

    def items(self):
        return self.snapshot().items()

    def total(self):
        return sum(n for _, n in self._pairs())

    def most_common(self, n=None):
        if n is None:
            return sorted(self._pairs(), key=lambda pair: pair[1], reverse=True)
        return heapq.nlargest(n, self._pairs(), key=lambda pair: pair[1])

    def elements(self):
        return itertools.chain.from_iterable(itertools.repeat(key, n) for key, n in self._pairs())

    def copy(self):
        return ConcurrentCounter(self)

    __copy__ = copy

    def __reduce__(self):
        return type(self), (), getattr(self, "__dict__", None) or None, None, iter(list(self._pairs()))

    @reprlib.recursive_repr("ConcurrentCounter({...})")
    def __repr__(self):
        return f"{type(self).__name__}({dict(self.most_common())!r})"

    def __eq__(self, other):
        if isinstance(other, _Counter):
            return self.snapshot() == other.snapshot()
        if isinstance(other, collections.abc.Mapping):
            return self.snapshot() == collections.Counter(dict(other))
        return NotImplemented


collections.abc.Mapping.register(ConcurrentCounter)
collections.abc.MutableMapping.register(ConcurrentDict)
