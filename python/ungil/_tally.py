"""ConcurrentCounter: counting is in `ungil._ungil`, what is made of the counts here."""

import collections
import collections.abc
import heapq
import itertools
import reprlib
from types import GenericAlias

from ungil._ungil import Counter


class ConcurrentCounter(Counter):
    """Counts by key, as `collections.Counter`, that many threads add to at once.

    A key that is not there counts 0. A count lies between -2**61 and 2**61 - 1. Where threads collide on a key, its count is spread over several cache lines, so
    that adding to it goes on at full speed. Reading such a count adds the parts up: it has every addition that ended before, and may have some
    that run. Iterating, `items`, `most_common` and their like behave as `snapshot`.

    Thread safety: atomic for one key, shared for all.
    """

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
        if isinstance(iterable, Counter):
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
        """Counts the elements of an iterable, or adds the counts of a mapping, and of the keywords.

        Thread safety: shared."""
        self._apply(1, iterable, kwargs)

    def subtract(self, iterable=(), /, **kwargs):
        """The same, taking away.

        Thread safety: shared."""
        self._apply(-1, iterable, kwargs)

    def get(self, key, default=None, /):
        """The count of `key`, or `default` if it has none.

        Thread safety: shared.
        """
        return self[key] if key in self else default

    def pop(self, key, *default):
        """Removes `key` and returns its count, or `default`; without one raises KeyError."""
        if len(default) > 1:
            raise TypeError(f"pop expected at most 2 arguments, got {1 + len(default)}")
        count = self._take(key)
        if count is None:
            if not default:
                raise KeyError(key)
            return default[0]
        return count

    def snapshot(self):
        """A `collections.Counter` of the keys that are there during the whole call, and perhaps some of those that come or go.

        Thread safety: shared."""
        return collections.Counter(dict(self._pairs()))

    def keys(self):
        """The keys of a `snapshot`.

        Thread safety: shared.
        """
        return self.snapshot().keys()

    def values(self):
        """The counts of a `snapshot`.

        Thread safety: shared.
        """
        return self.snapshot().values()

    def items(self):
        """The entries of a `snapshot`.

        Thread safety: shared.
        """
        return self.snapshot().items()

    def total(self):
        """The sum of all counts.

        Thread safety: shared."""
        return sum(n for _, n in self._pairs())

    def most_common(self, n=None):
        """The `n` keys with the highest counts and these, or all, the highest first.

        Thread safety: shared."""
        if n is None:
            return sorted(self._pairs(), key=lambda pair: pair[1], reverse=True)
        return heapq.nlargest(n, self._pairs(), key=lambda pair: pair[1])

    def elements(self):
        """Each key as often as it counts.

        Thread safety: shared."""
        return itertools.chain.from_iterable(itertools.repeat(key, n) for key, n in self._pairs())

    def copy(self):
        """A counter of what `snapshot` would show.

        Thread safety: shared.
        """
        return ConcurrentCounter(self)

    __copy__ = copy

    def __reduce__(self):
        return (
            type(self),
            (),
            getattr(self, "__dict__", None) or None,
            None,
            iter(list(self._pairs())),
        )

    @reprlib.recursive_repr("ConcurrentCounter({...})")
    def __repr__(self):
        return f"{type(self).__name__}({dict(self.most_common())!r})"

    def __ior__(self, other):
        # Not left undefined: the other side's `__ror__` would then make a dict of both, and put it in the counter's place.
        raise TypeError("a ConcurrentCounter has no operator |=: use update() to add counts")

    def __eq__(self, other):
        if isinstance(other, Counter):
            return self.snapshot() == other.snapshot()
        if isinstance(other, collections.abc.Mapping):
            return self.snapshot() == collections.Counter(dict(other))
        return NotImplemented


collections.abc.Mapping.register(ConcurrentCounter)
