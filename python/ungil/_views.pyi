from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any, Generic, TypeVar

from ungil.dicts import ConcurrentDict

_K_co = TypeVar("_K_co", covariant=True)
_V_co = TypeVar("_V_co", covariant=True)

class DictKeys(KeysView[_K_co], Generic[_K_co]):
    @property
    def mapping(self) -> ConcurrentDict[_K_co, Any]: ...

class DictValues(ValuesView[_V_co], Generic[_V_co]):
    @property
    def mapping(self) -> ConcurrentDict[Any, _V_co]: ...

class DictItems(ItemsView[_K_co, _V_co], Generic[_K_co, _V_co]):
    @property
    def mapping(self) -> ConcurrentDict[_K_co, _V_co]: ...

def pairs(other: Any) -> Iterator[tuple[Any, Any]]: ...
