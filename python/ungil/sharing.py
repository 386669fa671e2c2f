"""`share`, which makes reference counting of shared objects cheap, and `frozen` copies of data."""

from types import BuiltinFunctionType, FunctionType, MappingProxyType

from ungil._ungil import ShareWarning, share, sharing_of

__all__ = ["ShareWarning", "frozen", "share", "sharing_of"]

try:
    _mapping = frozendict  # 3.15
except NameError:

    def _mapping(items):
        return MappingProxyType(dict(items))


_PLAIN = (
    str,
    bytes,
    int,
    float,
    complex,
    bool,
    type(None),
    type(...),
    range,
    FunctionType,
    BuiltinFunctionType,
)


def frozen(obj, /, *, immortal=False):
    """Returns an immutable deep copy of plain data, after calling `share` on it.

    Lists become tuples, sets frozensets, dicts `frozendict` (`MappingProxyType` before Python 3.15)
    and bytearrays bytes. Immutable objects are not copied. The copy does not reflect later changes
    to `obj`. Raises TypeError for any other type and ValueError for data that contains itself; both
    messages name the location. `immortal` is passed to `share`.

    Thread safety: distinct. (`obj` must not change meanwhile.)
    """
    return share(_freeze(obj, "obj", ()), immortal=immortal)


def _freeze(obj, where, above):
    kind = type(obj)
    if kind in _PLAIN or isinstance(obj, type):
        return obj
    if id(obj) in above:
        raise ValueError(
            f"{where} contains itself: cyclic data cannot be frozen; break the cycle first"
        )
    above = (*above, id(obj))
    if kind in (list, tuple):
        return tuple(_freeze(item, f"{where}[{i}]", above) for i, item in enumerate(obj))
    if isinstance(obj, tuple) and hasattr(obj, "_fields"):
        return kind._make(
            _freeze(item, f"{where}.{name}", above)
            for name, item in zip(obj._fields, obj, strict=True)
        )
    if kind in (set, frozenset):
        return frozenset(_freeze(item, f"an item of {where}", above) for item in obj)
    if kind is dict or kind is _mapping or (hasattr(obj, "items") and hasattr(obj, "__getitem__")):
        return _mapping(
            {
                _freeze(key, f"a key of {where}", above): _freeze(value, f"{where}[{key!r}]", above)
                for key, value in obj.items()
            }
        )
    if kind is bytearray:
        return bytes(obj)
    parameters = getattr(kind, "__dataclass_params__", None)
    if parameters is not None and parameters.frozen:
        fields = {
            name: _freeze(getattr(obj, name), f"{where}.{name}", above)
            for name in kind.__dataclass_fields__
        }
        copy = object.__new__(kind)
        for name, value in fields.items():
            object.__setattr__(copy, name, value)
        return copy
    raise TypeError(
        f"{where} is a {kind.__qualname__}, which may change: only plain data, named tuples and "
        "frozen dataclasses can be frozen; use share() if your code never changes it"
    )
