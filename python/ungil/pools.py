"""Work over threads."""

import concurrent.futures
import threading

from ungil import _ungil
from ungil._ungil import PerThread

__all__ = ["Future", "PerThread", "ThreadPool"]

_NONE = object()


class Future(_ungil._FutureCore, concurrent.futures.Future):
    """What `ThreadPool.submit` returns: a `concurrent.futures.Future` whose `result()`, called by a worker of the same pool, makes the call
    itself if nobody has begun to, so that tasks may wait for tasks however few workers there are."""


class ThreadPool(_ungil._ThreadPoolCore, concurrent.futures.Executor):
    """Threads that steal each other's work, behind `concurrent.futures.Executor`."""

    def map(self, fn, *iterables, timeout=None, chunksize=None, buffersize=None):
        """`map(fn, *iterables)` over the workers: an iterator over the results in order."""
        if buffersize is not None:
            return super().map(fn, *iterables, timeout=timeout, buffersize=buffersize)
        return self._map(fn, iterables, timeout, chunksize)

    def parallel_for(self, fn, items, *, grain=None):
        """Calls `fn(item)` for each item."""
        self._for_each(fn, (items,), grain)

    def for_each(self, fn, *iterables, grain=None):
        """Calls `fn(*items)` for the items of the iterables, as `map` does, and keeps no results."""
        self._for_each(fn, iterables, grain)

    def reduce(self, fn, iterable, initial=_NONE, *, factory=None, combine=None, ordered=False, grain=None):
        """Folds the items with `fn(accumulator, item)`, an accumulator a worker, then the accumulators with `combine`."""
        if (initial is _NONE) == (factory is None):
            raise TypeError("reduce() takes either initial or factory")
        start = initial if factory is None else factory
        return self._reduce(fn, iterable, start, factory is not None, combine, ordered, grain)


ThreadPool.__module__ = Future.__module__ = "ungil"

threading._register_atexit(_ungil._close_pools)
