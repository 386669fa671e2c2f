"""ConcurrentDict. The frequent operations are in `ungil._ungil`, the rest of the protocol here."""

import collections.abc
import reprlib
from types import GenericAlias

from ungil._reduce import reduce
from ungil._ungil import Dict
from ungil._views import DictItems, DictKeys, DictValues, pairs


class ConcurrentDict(Dict):
    """A dict that many threads read and change concurrently.

    Reading takes no lock, and neither does setting the value of an existing key. Adding a key
    briefly takes one of many locks. Each operation on one key is atomic; operations on several
    keys are not atomic as a whole. For changes that depend on the present value, use `compute` or
    `compare_and_set`. Keys are compared as by `dict`; `__eq__` and `__hash__` may raise, use the
    map, or block. Insertion order is not kept.

    Iterators over keys, `values()` or `items()` never raise because of concurrent changes. An
    entry that exists during the whole iteration is yielded exactly once. One that is added or
    removed meanwhile is yielded at most once, unless it is removed and added again.

    Thread safety: atomic, except where a method states otherwise.
    """

    __slots__ = ()
    __module__ = "ungil"
    __hash__ = None
    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, other=(), /, **kwargs):
        super().__init__()
        ConcurrentDict.update(self, other, **kwargs)

    def update(self, other=(), /, **kwargs):
        """Sets every item of a mapping, or pair of an iterable, and every keyword argument.

        Setting one key is atomic, the whole update is not.

        Thread safety: shared.
        """
        if not (isinstance(other, tuple) and not other):
            for key, value in pairs(other):
                self[key] = value
        for key, value in kwargs.items():
            self[key] = value

    @classmethod
    def fromkeys(cls, iterable, value=None, /):
        """Returns a new map with the keys of `iterable`, all set to `value`."""
        new = cls()
        for key in iterable:
            new[key] = value
        return new

    def keys(self):
        """Returns a view of the keys, which behaves as a set and reflects later changes."""
        return DictKeys(self)

    def values(self):
        """Returns a view of the values."""
        return DictValues(self)

    def items(self):
        """Returns a view of the (key, value) pairs."""
        return DictItems(self)

    def copy(self):
        """Returns a new map with the entries of a `snapshot`.

        Thread safety: shared.
        """
        return ConcurrentDict(self)

    __copy__ = copy

    def __reduce__(self):
        # Items are pickled after the object itself, so a map that contains itself can be unpickled.
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
        new = ConcurrentDict(self)
        new.update(other)
        return new

    def __ror__(self, other):
        if not isinstance(other, collections.abc.Mapping):
            return NotImplemented
        new = ConcurrentDict(other)
        new.update(self)
        return new

    def __ior__(self, other):
        self.update(other)
        return self

    def reduce(self, function, combine, initial, *, workers=None):
        """Folds `function(key, value)` of every entry with `combine`, in several threads.

        Uses `workers` threads, by default one per processor. Each thread starts from `initial`;
        the results of the threads are combined at the end. So `combine` must be associative and
        commutative, and `initial` must be its identity (0 for a sum). Visits the entries that an
        iteration would yield.

        Thread safety: shared.
        """
        return reduce(self, lambda pair: function(*pair), combine, initial, workers)


collections.abc.MutableMapping.register(ConcurrentDict)
