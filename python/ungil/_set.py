"""ConcurrentSet: what is called often is in `ungil._ungil`, the rest of the protocol here."""

import collections.abc
import reprlib
from types import GenericAlias

from ungil._reduce import reduce
from ungil._ungil import Set


class ConcurrentSet(Set, collections.abc.MutableSet):
    """A set that many threads read and change at once.

    Looking for an element takes no lock; adding one takes one of many, for a moment. Operations on one element are atomic. Those that take
    other sets do it element by element, and give ConcurrentSets. Iterators behave as those of `ConcurrentDict`. `add` and `discard` say whether they
    changed something.

    Thread safety: atomic for one element, shared for all.
    """

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
        """A set of what `snapshot` would show.

        Thread safety: shared."""
        return ConcurrentSet(self)

    __copy__ = copy

    def snapshot(self):
        """A frozenset of what is there during the whole call, and perhaps some of what comes or goes.

        Thread safety: shared."""
        return frozenset(self)

    def update(self, *others):
        """Adds the elements of all.

        Thread safety: shared."""
        for other in others:
            for element in other:
                self.add(element)

    def union(self, *others):
        """A set of the elements of this and all others.

        Thread safety: shared.
        """
        made = ConcurrentSet(self)
        made.update(*others)
        return made

    def intersection(self, *others):
        """A set of the elements that all others have too.

        Thread safety: shared.
        """
        others = [_as_set(other) for other in others]
        return ConcurrentSet(e for e in self if all(e in other for other in others))

    def difference(self, *others):
        """A set of the elements that no other has.

        Thread safety: shared.
        """
        others = [_as_set(other) for other in others]
        return ConcurrentSet(e for e in self if not any(e in other for other in others))

    def symmetric_difference(self, other):
        """A set of the elements that this or the other has, not both.

        Thread safety: shared.
        """
        other = set(other)
        made = ConcurrentSet(element for element in self if element not in other)
        made.update(element for element in other if element not in self)
        return made

    def intersection_update(self, *others):
        """Takes out what some other does not have, one by one.

        Thread safety: shared.
        """
        others = [_as_set(other) for other in others]
        for element in self:
            if not all(element in other for other in others):
                self.discard(element)

    def difference_update(self, *others):
        """Takes out what the others have, one by one.

        Thread safety: shared.
        """
        for other in others:
            for element in list(other) if other is self else other:
                self.discard(element)

    def symmetric_difference_update(self, other):
        """Takes out what the other has too, and adds what only it has, one by one.

        Thread safety: shared.
        """
        other = set(other)
        for element in other:
            if not self.discard(element):
                self.add(element)

    def issubset(self, other):
        """Whether the other has every element.

        Thread safety: shared.
        """
        return self <= _as_set(other)

    def issuperset(self, other):
        """Whether this has every element of the other.

        Thread safety: shared.
        """
        return all(element in self for element in other)

    def isdisjoint(self, other):
        """Whether they have no element in common.

        Thread safety: shared.
        """
        return not any(element in self for element in other)

    def __eq__(self, other):
        if not isinstance(other, collections.abc.Set):
            return NotImplemented
        return set(self) == set(other)

    def __or__(self, other):
        return self.union(other) if isinstance(other, collections.abc.Set) else NotImplemented

    __ror__ = __or__

    def __and__(self, other):
        return (
            self.intersection(other) if isinstance(other, collections.abc.Set) else NotImplemented
        )

    __rand__ = __and__

    def __sub__(self, other):
        return self.difference(other) if isinstance(other, collections.abc.Set) else NotImplemented

    def __rsub__(self, other):
        if not isinstance(other, collections.abc.Set):
            return NotImplemented
        return ConcurrentSet(element for element in other if element not in self)

    def __xor__(self, other):
        return (
            self.symmetric_difference(other)
            if isinstance(other, collections.abc.Set)
            else NotImplemented
        )

    __rxor__ = __xor__

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
        """`combine` over `function(element)` of every element: see `ConcurrentDict.reduce`.

        Thread safety: shared."""
        return reduce(self, function, combine, initial, workers)


def _as_set(other):
    return other if isinstance(other, collections.abc.Set) else set(other)
