"""The views of ConcurrentDict, and the pairs that its `update` reads."""

import collections.abc
import reprlib

from ungil._ungil import ABSENT, Dict


class _View:
    """Common part of the three views, which reflect the current content of the map."""

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
        value = Dict.get(self._mapping, item[0], ABSENT)
        return value is not ABSENT and (value is item[1] or value == item[1])


def pairs(other):
    """Yields the items of a mapping, or the pairs of an iterable, as `dict.update` reads them."""
    if isinstance(other, Dict):
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
                raise TypeError(
                    f"cannot convert dictionary update sequence element #{index} to a sequence"
                ) from None
            if len(pair) != 2:
                raise ValueError(
                    f"dictionary update sequence element #{index} has length {len(pair)}; "
                    "2 is required"
                )
            yield pair
