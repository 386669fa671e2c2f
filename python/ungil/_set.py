"""ConcurrentSet. The frequent operations are in `ungil._ungil`, the rest of the protocol here."""

import collections.abc
import reprlib
from types import GenericAlias

from ungil._reduce import reduce
from ungil._ungil import Set


class ConcurrentSet(Set, collections.abc.MutableSet):
    """A set that many threads read and change concurrently.

    A membership test takes no lock; adding an element briefly takes one of many locks. Operations
    on one element are atomic. Operations that take other sets work element by element and return
    ConcurrentSets. Iterators behave as those of `ConcurrentDict`. `add` and `discard` return
    whether they changed the set.

    Thread safety: atomic for one element, shared for several.
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
        """Returns a new set with the elements of a `snapshot`.

        Thread safety: shared.
        """
        return ConcurrentSet(self)

    __copy__ = copy

    def snapshot(self):
        """Returns a frozenset of the elements.

        Elements that are added or removed during the call may be in it or not.

        Thread safety: shared.
        """
        return frozenset(self)

    def update(self, *others):
        """Adds the elements of all the others, one by one.

        Thread safety: shared.
        """
        for other in others:
            for element in other:
                self.add(element)

    def union(self, *others):
        """Returns a new set with the elements of this set and all the others.

        Thread safety: shared.
        """
        new = ConcurrentSet(self)
        new.update(*others)
        return new

    def intersection(self, *others):
        """Returns a new set with the elements that are also in all the others.

        Thread safety: shared.
        """
        others = [_as_set(other) for other in others]
        return ConcurrentSet(e for e in self if all(e in other for other in others))

    def difference(self, *others):
        """Returns a new set with the elements that are in none of the others.

        Thread safety: shared.
        """
        others = [_as_set(other) for other in others]
        return ConcurrentSet(e for e in self if not any(e in other for other in others))

    def symmetric_difference(self, other):
        """Returns a new set with the elements that are in exactly one of the two.

        Thread safety: shared.
        """
        other = set(other)
        new = ConcurrentSet(element for element in self if element not in other)
        new.update(element for element in other if element not in self)
        return new

    def intersection_update(self, *others):
        """Removes the elements that are not in all the others, one by one.

        Thread safety: shared.
        """
        others = [_as_set(other) for other in others]
        for element in self:
            if not all(element in other for other in others):
                self.discard(element)

    def difference_update(self, *others):
        """Removes the elements that are in any of the others, one by one.

        Thread safety: shared.
        """
        for other in others:
            for element in list(other) if other is self else other:
                self.discard(element)

    def symmetric_difference_update(self, other):
        """Removes the elements that are also in `other` and adds its remaining ones, one by one.

        Thread safety: shared.
        """
        other = set(other)
        for element in other:
            if not self.discard(element):
                self.add(element)

    def issubset(self, other):
        """Returns whether every element is in `other`.

        Thread safety: shared.
        """
        return self <= _as_set(other)

    def issuperset(self, other):
        """Returns whether every element of `other` is in this set.

        Thread safety: shared.
        """
        return all(element in self for element in other)

    def isdisjoint(self, other):
        """Returns whether the two have no element in common.

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
        """Folds `function(element)` of every element with `combine`; see `ConcurrentDict.reduce`.

        Thread safety: shared.
        """
        return reduce(self, function, combine, initial, workers)


def _as_set(other):
    return other if isinstance(other, collections.abc.Set) else set(other)
