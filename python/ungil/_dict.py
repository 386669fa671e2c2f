"""ConcurrentDict: what is called often is in `ungil._ungil`, the rest of the protocol here."""

import collections.abc
import reprlib
from types import GenericAlias

from ungil._reduce import reduce
from ungil._ungil import Dict
from ungil._views import DictItems, DictKeys, DictValues, pairs


class ConcurrentDict(Dict):
    """A dict that many threads read and change at once.

    Reading takes no lock. Setting the value of a key that is there takes none either; adding a key takes one of many, for a moment.
    Each operation on one key is atomic, and what several keys have in common is not kept: see `snapshot`, and `compute` or
    `compare_and_set` for changes that depend on what is there. Keys are compared as a dict does it; `__eq__` and `__hash__` may raise, use
    the map, or block. The order of insertion is not kept.

    Iterators, over keys, `values()` or `items()`, never raise because of changes. An entry that is there for the whole iteration is met exactly once;
    one that is added or removed meanwhile is met once or not at all, unless it is removed and added again.

    Thread safety: atomic, where a method does not say otherwise.
    """

    __slots__ = ()
    __module__ = "ungil"
    __hash__ = None
    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, other=(), /, **kwargs):
        super().__init__()
        ConcurrentDict.update(self, other, **kwargs)

    def update(self, other=(), /, **kwargs):
        """Sets every item of a mapping, or pair of an iterable, and every keyword. Each is atomic, all of them are not.

        Thread safety: shared."""
        if not (isinstance(other, tuple) and not other):
            for key, value in pairs(other):
                self[key] = value
        for key, value in kwargs.items():
            self[key] = value

    @classmethod
    def fromkeys(cls, iterable, value=None, /):
        """A map of these keys, each with `value`."""
        made = cls()
        for key in iterable:
            made[key] = value
        return made

    def keys(self):
        """The keys, as a view: a set that shows what is there when it is asked."""
        return DictKeys(self)

    def values(self):
        """The values, as a view."""
        return DictValues(self)

    def items(self):
        """The entries as pairs, as a view."""
        return DictItems(self)

    def copy(self):
        """A map of what `snapshot` would show.

        Thread safety: shared."""
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
        if isinstance(other, Dict):
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
        """`combine` over `function(key, value)` of every entry, by `workers` threads (one for each processor), each from `initial` on, whose results
        are combined in the end. So `combine` must not mind the order, and `initial` must change nothing, as 0 in a sum.
        What it visits is what an iteration would.

        Thread safety: shared."""
        return reduce(self, lambda pair: function(*pair), combine, initial, workers)


collections.abc.MutableMapping.register(ConcurrentDict)
