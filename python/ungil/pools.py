"""Work over threads."""

import concurrent.futures
import threading

from ungil import _ungil
from ungil._ungil import PerThread

__all__ = ["Future", "PerThread", "ThreadPool"]

_NONE = object()


class Future(_ungil._FutureCore, concurrent.futures.Future):
    """What `ThreadPool.submit` returns: a `concurrent.futures.Future`, for `wait`, `as_completed`, asyncio and everybody else.

    `result()` and `exception()`, called by a worker of the same pool without a timeout, make the call themselves if nobody has begun to, so that
    tasks may wait for tasks however few workers there are. A worker that waits otherwise is replaced by another until it wakes.

    Thread safety: atomic.
    """

    __module__ = "ungil"


_ungil._set_future_type(Future)


class ThreadPool(_ungil._ThreadPoolCore, concurrent.futures.Executor):
    """Threads that steal each other's work, behind `concurrent.futures.Executor`.

    `max_workers` is by default the number of processors this process may use: `os.process_cpu_count()`, and no more than its control
    group's quota. The other arguments are `ThreadPoolExecutor`'s, and so is what happens when the initializer fails, when the interpreter ends (what
    was submitted is run first) and when the pool is dropped. Tasks run in their worker's context, as there.

    Single tasks from outside begin in the order in which they came. Rows of items (`map`, `for_each`, `parallel_for`, `reduce`) are shared by the workers
    in portions that they measure as they go, so that items of nanoseconds and items of seconds are both served well. A worker that calls one of
    these works on the row itself, so they may be nested.

    In the child of a fork the pool is a `RuntimeError`: make a new one there.

    Thread safety: atomic. (Iterables are read by the calling thread.)
    """

    __module__ = "ungil"

    def map(self, fn, *iterables, timeout=None, chunksize=None, buffersize=None):
        """`map(fn, *iterables)` over the workers: an iterator over the results, in order, each as soon as it is there.

        An exception is raised in its place; then, after `timeout` seconds (`TimeoutError`), and when the iterator is dropped half-read, what has not
        begun is cancelled. `chunksize` fixes the portions. With `buffersize` the iterables are read no further than that ahead of the reader,
        item by item.
        """
        if buffersize is not None:
            return super().map(fn, *iterables, timeout=timeout, buffersize=buffersize)
        return self._map(fn, iterables, timeout, chunksize)

    def parallel_for(self, fn, items, *, grain=None):
        """Calls `fn(item)` for each item and returns when all are done. A `range` is not written out.

        The first exception cancels what has not begun and is raised here; later ones are dropped. So is the row by Ctrl-C, after what runs
        has ended. `grain` fixes the portions.
        """
        self._for_each(fn, (items,), grain)

    def for_each(self, fn, *iterables, grain=None):
        """Calls `fn(*items)` for the items of the iterables, as `map` does, and keeps no results. Otherwise as `parallel_for`."""
        self._for_each(fn, iterables, grain)

    def reduce(
        self, fn, iterable, initial=_NONE, *, factory=None, combine=None, ordered=False, grain=None
    ):
        """Folds the items with `accumulator = fn(accumulator, item)`, each worker into an accumulator of its own, and the accumulators with
        `combine(accumulator, accumulator)`, by default `fn`.

        Every accumulator begins with `initial`, which must therefore be neutral (0 for a sum) and is one object for all; `factory()` makes one for
        each. Which items come together, and in which order, is not defined: `fn` and `combine` must not care. With `ordered` each accumulator is of
        neighbouring items in their order, and they are combined in order, so that it is enough if `combine` is associative. Without items
        the result is `initial`. Exceptions as in `parallel_for`.
        """
        if (initial is _NONE) == (factory is None):
            raise TypeError(
                "reduce() takes either initial or factory: one of the two says how an accumulator begins"
            )
        start = initial if factory is None else factory
        return self._reduce(fn, iterable, start, factory is not None, combine, ordered, grain)


threading._register_atexit(_ungil._close_pools)
