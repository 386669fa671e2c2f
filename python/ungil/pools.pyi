import concurrent.futures
from collections.abc import Callable, Iterable, Iterator
from types import GenericAlias
from typing import Any, overload

from typing_extensions import disjoint_base

class Future[T](concurrent.futures.Future[T]): ...

class ThreadPool(concurrent.futures.Executor):
    @overload
    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[[], object] | None = None,
        initargs: tuple[()] = (),
    ) -> None: ...
    @overload
    def __init__[*Ts](
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        *,
        initializer: Callable[[*Ts], object],
        initargs: tuple[*Ts],
    ) -> None: ...
    @overload
    def __init__[*Ts](
        self,
        max_workers: int | None,
        thread_name_prefix: str,
        initializer: Callable[[*Ts], object],
        initargs: tuple[*Ts],
    ) -> None: ...
    def submit[**P, T](
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]: ...
    def map[T](
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Iterator[T]: ...
    def parallel_for[T](
        self, fn: Callable[[T], object], items: Iterable[T], *, grain: int | None = None
    ) -> None: ...
    def for_each(
        self, fn: Callable[..., object], *iterables: Iterable[Any], grain: int | None = None
    ) -> None: ...
    @overload
    def reduce[A, T](
        self,
        fn: Callable[[A, T], A],
        iterable: Iterable[T],
        initial: A,
        *,
        factory: None = None,
        combine: Callable[[A, A], A] | None = None,
        ordered: bool = False,
        grain: int | None = None,
    ) -> A: ...
    @overload
    def reduce[A, T](
        self,
        fn: Callable[[A, T], A],
        iterable: Iterable[T],
        *,
        factory: Callable[[], A],
        combine: Callable[[A, A], A] | None = None,
        ordered: bool = False,
        grain: int | None = None,
    ) -> A: ...
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None: ...

@disjoint_base
class PerThread[T]:
    def __new__(cls, factory: Callable[[], T]) -> PerThread[T]: ...
    def __init__(self, factory: Callable[[], T]) -> None: ...
    def get(self) -> T: ...
    def __call__(self) -> T: ...
    def set(self, value: T) -> None: ...
    def values(self) -> list[T]: ...
    def take(self) -> list[T]: ...
    @overload
    def combine(self, fn: Callable[[T, T], T], /) -> T: ...
    @overload
    def combine(self, fn: Callable[[T, T], T], initial: T, /) -> T: ...
    @overload
    def combine[A](self, fn: Callable[[A, T], A], initial: A, /) -> A: ...
    def clear(self) -> None: ...
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...

__all__ = ["Future", "PerThread", "ThreadPool"]
