"""A work-stealing thread pool, its futures, and values per thread."""

import concurrent.futures
import threading

from ungil import _ungil
from ungil._ungil import PerThread

__all__ = ["Future", "PerThread", "ThreadPool"]

_NONE = object()


class Future(_ungil._FutureCore, concurrent.futures.Future):
    """The future of a task of a `ThreadPool`.

    A `concurrent.futures.Future`, so `wait`, `as_completed` and `asyncio.wrap_future` accept it.

    When a worker of the same pool calls `result()` or `exception()` without a timeout and the task
    has not started, the worker runs the task itself. So tasks may wait for tasks, however few
    workers there are. While a worker waits in any other way, another worker replaces it.

    Thread safety: atomic.
    """

    __module__ = "ungil"


_ungil._set_future_type(Future)


class ThreadPool(_ungil._ThreadPoolCore, concurrent.futures.Executor):
    """A work-stealing `concurrent.futures.Executor`.

    `max_workers` defaults to the number of processors that this process may use: the lower of
    `os.process_cpu_count()` and its control group's quota. The other arguments are those of
    `ThreadPoolExecutor`. So is the behaviour when the initializer fails, when the interpreter
    exits (submitted tasks run first) and when the pool is dropped. Tasks run in the context of
    their worker, as there.

    Tasks submitted from outside the pool start in the order of submission. `map`, `for_each`,
    `parallel_for` and `reduce` divide their items into chunks, whose size is adapted to the
    measured time of an item: items may take nanoseconds or seconds. A worker that calls one of
    these processes items itself, so the calls may be nested.

    In the child of a fork, using the pool raises `RuntimeError`: create a new one there.

    Thread safety: atomic. (Iterables are read by the calling thread.)
    """

    __module__ = "ungil"

    def map(self, fn, *iterables, timeout=None, chunksize=None, buffersize=None):
        """Returns an iterator over the results of `map(fn, *iterables)`, computed by the workers.

        Results are yielded in order, each as soon as it is available. An exception is raised where
        its result would be yielded. That, a timeout (`TimeoutError` after `timeout` seconds) and
        dropping an unfinished iterator cancel the items that have not started. `chunksize` fixes
        the number of items per chunk. With `buffersize`, at most that many items are read ahead
        of the consumer, and items are not chunked.
        """
        if buffersize is not None:
            return super().map(fn, *iterables, timeout=timeout, buffersize=buffersize)
        return self._map(fn, iterables, timeout, chunksize)

    def parallel_for(self, fn, items, *, grain=None):
        """Calls `fn(item)` for each item and returns when all calls have ended.

        The first exception cancels the items that have not started and is raised here; later ones
        are dropped. KeyboardInterrupt also cancels the remaining items, and is raised after the
        running calls have ended. `grain` fixes the number of items per chunk. A `range` is not
        expanded into a list.
        """
        self._for_each(fn, (items,), grain)

    def for_each(self, fn, *iterables, grain=None):
        """Calls `fn(*items)` for the items of the iterables, as `map` does, without results.

        Exceptions and `grain` are handled as by `parallel_for`.
        """
        self._for_each(fn, iterables, grain)

    def reduce(
        self, fn, iterable, initial=_NONE, *, factory=None, combine=None, ordered=False, grain=None
    ):
        """Folds the items with `accumulator = fn(accumulator, item)`, in parallel.

        Each worker has accumulators of its own, which are merged with `combine(accumulator,
        accumulator)`, by default `fn`. Every accumulator starts as `initial`, which must therefore
        be neutral (0 for a sum) and is the same object for all; `factory()` makes a new one for
        each. The grouping and order of the items are unspecified, so `fn` and `combine` must not
        depend on them. With `ordered`, each accumulator covers consecutive items in order and the
        accumulators are combined in order, so it suffices that `combine` is associative. Without
        items the result is `initial`. Exceptions are handled as by `parallel_for`.
        """
        if (initial is _NONE) == (factory is None):
            raise TypeError(
                "reduce() takes either initial or factory: exactly one must provide the first value"
            )
        start = initial if factory is None else factory
        return self._reduce(fn, iterable, start, factory is not None, combine, ordered, grain)


threading._register_atexit(_ungil._close_pools)
