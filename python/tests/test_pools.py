"""ThreadPool as a `concurrent.futures.Executor`, against CPython's test_concurrent_futures."""

import asyncio
import concurrent.futures as futures
import gc
import operator
import os
import sys
import sysconfig
import threading
import time
import weakref

import pytest
from deadlines import join

from ungil import Future, ThreadPool

WAIT = 60


@pytest.fixture
def pool():
    with ThreadPool(3) as pool:
        yield pool


class Gate:
    """A task that runs until it is released."""

    def __init__(self, pool):
        self.entered = threading.Event()
        self.open = threading.Event()
        self.future = pool.submit(self.run)

    def run(self):
        self.entered.set()
        assert self.open.wait(WAIT)
        return "through"

    def __enter__(self):
        assert self.entered.wait(WAIT)
        return self

    def __exit__(self, *_):
        self.open.set()


def test_it_is_an_executor_and_returns_futures(pool):
    assert isinstance(pool, futures.Executor)
    future = pool.submit(pow, 2, 8)
    assert isinstance(future, futures.Future)
    assert isinstance(future, Future)
    assert future.result() == 256
    assert future.done() and not future.running() and not future.cancelled()
    assert future.exception() is None


def test_submit_passes_keywords_of_any_name(pool):
    def take(*args, **kwargs):
        return args, kwargs

    assert pool.submit(take, 1, self=2, fn=3).result() == ((1,), {"self": 2, "fn": 3})
    with pytest.raises(TypeError):
        pool.submit(fn=int)
    with pytest.raises(TypeError):
        pool.submit(arg=1)


def test_exceptions_of_a_task_keep_their_traceback(pool):
    def fail():
        raise KeyError("here")

    future = pool.submit(fail)
    with pytest.raises(KeyError, match="here") as caught:
        future.result()
    assert caught.traceback[-1].name == "fail"
    assert future.exception() is caught.value


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_no_exception_kills_a_worker(error):
    def fail():
        raise error

    with ThreadPool(1) as pool:
        future = pool.submit(fail)
        assert future.exception() is error
        assert pool.submit(int).result() == 0


def test_wrong_arguments_are_errors():
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="max_workers must be greater than 0"):
            ThreadPool(wrong)
    with pytest.raises(TypeError):
        ThreadPool("2")
    with pytest.raises(TypeError, match="initializer must be a callable"):
        ThreadPool(1, initializer=7)
    with pytest.raises(OverflowError):
        ThreadPool(2**80)


def test_as_many_workers_as_processors_by_default():
    import os

    with ThreadPool() as pool:
        assert 1 <= pool._max_workers <= os.process_cpu_count()


def test_a_huge_pool_starts_only_the_threads_it_needs():
    with ThreadPool(10**12) as pool:
        assert pool.submit(int).result() == 0
        assert sum(t.name.startswith("ThreadPool") for t in threading.enumerate()) <= 2


def test_threads_are_named():
    with ThreadPool(2, "worker") as pool:
        assert pool.submit(lambda: threading.current_thread().name).result().startswith("worker_")
    with ThreadPool(1) as pool:
        assert (
            pool.submit(lambda: threading.current_thread().name).result().startswith("ThreadPool-")
        )


def test_the_initializer_runs_once_in_each_thread():
    seen = []
    local = threading.local()

    def prepare(value):
        local.value = value
        seen.append(threading.get_ident())

    with ThreadPool(3, initializer=prepare, initargs=(5,)) as pool:
        results = list(pool.map(lambda _: local.value, range(100), chunksize=1))
    assert results == [5] * 100
    assert len(seen) == len(set(seen)) <= 3


def test_a_failing_initializer_breaks_the_pool(caplog):
    go = threading.Event()

    def fail():
        go.wait(WAIT)
        raise ValueError("no")

    with ThreadPool(1, initializer=fail) as pool:
        first, second = pool.submit(int), pool.submit(int)
        row = pool.map(int, range(3))
        go.set()
        for future in first, second:
            with pytest.raises(futures.thread.BrokenThreadPool, match="initializer failed"):
                future.result(WAIT)
        with pytest.raises(futures.BrokenExecutor):
            next(row)
        with pytest.raises(futures.BrokenExecutor):
            pool.submit(int)
        with pytest.raises(futures.BrokenExecutor):
            pool.parallel_for(int, range(3))
    assert "Exception in initializer" in caplog.text


def test_result_times_out(pool):
    with Gate(pool) as gate:
        for limit in (0, -1, 0.01):
            with pytest.raises(TimeoutError):
                gate.future.result(limit)
            with pytest.raises(TimeoutError):
                gate.future.exception(timeout=limit)
        with pytest.raises(ValueError, match="NaN"):
            gate.future.result(float("nan"))
        assert gate.future.running()
    assert gate.future.result(1e300) == "through"


def test_tasks_that_have_not_started_can_be_cancelled():
    with ThreadPool(1) as pool:
        with Gate(pool) as gate:
            future = pool.submit(int)
            assert future.cancel() and future.cancel()
            assert future.cancelled() and future.done() and not future.running()
            assert not gate.future.cancel()
            for ask in future.result, future.exception:
                with pytest.raises(futures.CancelledError):
                    ask(timeout=WAIT)
        assert gate.future.result() == "through"
        assert not gate.future.cancel()


def test_cancel_wakes_waiters():
    with ThreadPool(1) as pool, Gate(pool):
        future = pool.submit(int)
        seen = []

        def wait():
            try:
                future.result()
            except futures.CancelledError as error:
                seen.append(error)

        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert future.cancel()
        join(*threads)
        assert len(seen) == 3


def test_callbacks_run_once_in_order_even_if_one_raises(pool, caplog):
    seen = []
    with Gate(pool) as gate:
        gate.future.add_done_callback(lambda f: seen.append((1, f.result())))
        gate.future.add_done_callback(lambda f: 1 / 0)
        gate.future.add_done_callback(lambda f: seen.append((2, f.result())))
    futures.wait([gate.future])
    pool.shutdown()
    assert seen == [(1, "through"), (2, "through")]
    assert "exception calling callback" in caplog.text
    gate.future.add_done_callback(lambda f: seen.append(f))
    assert seen[-1] is gate.future


def test_callbacks_are_called_on_cancel():
    with ThreadPool(1) as pool, Gate(pool):
        future = pool.submit(int)
        seen = []
        future.add_done_callback(seen.append)
        future.cancel()
        assert seen == [future]


def test_wait_and_as_completed(pool):
    with Gate(pool) as gate:
        quick = [pool.submit(pow, i, 2) for i in range(5)]
        done, left = futures.wait([gate.future, *quick], return_when=futures.FIRST_COMPLETED)
        assert gate.future in left and done
        done, left = futures.wait([gate.future, *quick], timeout=0.05)
        assert left == {gate.future} and done == set(quick)
        failing = pool.submit(operator.truediv, 1, 0)
        done, _ = futures.wait([gate.future, failing], return_when=futures.FIRST_EXCEPTION)
        assert failing in done
        assert set(futures.as_completed(quick)) == set(quick)
        with pytest.raises(TimeoutError):
            list(futures.as_completed([gate.future], timeout=0))
    assert futures.wait([gate.future]).not_done == set()


def test_wait_returns_cancelled_futures():
    with ThreadPool(1) as pool:
        with Gate(pool):
            future = pool.submit(int)
            waiter = threading.Thread(target=futures.wait, args=([future],))
            waiter.start()
            future.cancel()
        join(waiter)
        assert repr(future) == f"<Future at {id(future):#x} state=cancelled>"


def test_wait_from_many_threads_on_finishing_futures(pool):
    def wait(fs):
        return len(futures.wait(fs).done)

    for _ in range(30):
        fs = [pool.submit(int) for _ in range(20)]
        with futures.ThreadPoolExecutor(4) as others:
            assert list(others.map(wait, [fs] * 4)) == [20] * 4


def test_a_future_can_be_set_by_hand_once(pool):
    future = Future()
    assert future.set_running_or_notify_cancel()
    future.set_result(5)
    assert future.result() == 5
    with pytest.raises(futures.InvalidStateError):
        future.set_result(6)
    with pytest.raises(futures.InvalidStateError):
        future.set_exception(ValueError())
    with pytest.raises(RuntimeError):
        future.set_running_or_notify_cancel()
    other = Future()
    other.set_exception(ValueError("x"))
    with pytest.raises(ValueError, match="x"):
        other.result()
    third = Future()
    third.cancel()
    with pytest.raises(futures.InvalidStateError):
        third.set_result(1)
    assert not third.set_running_or_notify_cancel()


def test_asyncio_takes_the_futures(pool):
    async def main():
        assert await asyncio.wrap_future(pool.submit(pow, 2, 5)) == 32
        loop = asyncio.get_running_loop()
        assert await asyncio.gather(
            *(loop.run_in_executor(pool, pow, i, 2) for i in range(20))
        ) == [i * i for i in range(20)]
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(pool, operator.truediv, 1, 0)

    asyncio.run(main())


def test_tasks_of_one_worker_run_in_order_of_submission():
    order = []
    with ThreadPool(1) as pool:
        with Gate(pool):
            for i in range(200):
                pool.submit(order.append, i)
    assert order == list(range(200))


def test_an_idle_worker_is_reused():
    with ThreadPool(8, "again") as pool:
        for _ in range(20):
            with Gate(pool):
                pass
            while "1 idle" not in repr(pool):
                time.sleep(0)
        assert sum(t.name.startswith("again") for t in threading.enumerate()) == 1


def test_each_task_runs_once_despite_stealing():
    from ungil import Adder

    count = Adder()

    def spread(depth):
        count.add(1)
        if depth:
            pool.submit(spread, depth - 1)
            pool.submit(spread, depth - 1)

    with ThreadPool(4) as pool:
        roots = [pool.submit(spread, 9) for _ in range(4)]
        futures.wait(roots)
        while count.sum() < 4 * 1023:
            time.sleep(0.001)
    assert count.sum() == 4 * 1023


def test_shutdown_rejects_new_tasks_and_runs_pending_ones():
    done = []
    pool = ThreadPool(2)
    for i in range(100):
        pool.submit(done.append, i)
    pool.shutdown()
    assert sorted(done) == list(range(100))
    for refuse in (
        lambda: pool.submit(int),
        lambda: pool.map(int, [1]),
        lambda: pool.parallel_for(int, [1]),
        lambda: pool.reduce(operator.add, [1], 0),
    ):
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            refuse()
    pool.shutdown()


def test_shutdown_without_wait_and_with_cancel():
    pool = ThreadPool(1)
    with Gate(pool) as gate:
        queued = [pool.submit(int) for _ in range(10)]
        row = pool.map(int, range(10))
        pool.shutdown(wait=False, cancel_futures=True)
        assert all(future.cancelled() for future in queued)
        with pytest.raises(futures.CancelledError):
            next(row)
        assert not gate.future.done()
    assert gate.future.result() == "through"
    pool.shutdown()


def test_shutdown_races_submit():
    for _ in range(40):
        pool = ThreadPool(2)
        taken = []
        start = threading.Barrier(3)

        def submit():
            start.wait()
            try:
                while True:
                    taken.append(pool.submit(int))
            except RuntimeError:
                pass

        threads = [threading.Thread(target=submit) for _ in range(2)]
        for thread in threads:
            thread.start()
        start.wait()
        pool.shutdown()
        join(*threads)
        assert all(future.result(WAIT) == 0 for future in taken)


def test_threads_end_when_another_thread_drops_the_pool():
    """Another thread drops the last reference while the creating thread sleeps."""
    pool = [ThreadPool(2, "left")]
    pool[0].submit(int).result()
    threads = [t for t in threading.enumerate() if t.name.startswith("left")]
    gc.disable()
    try:
        dropper = threading.Thread(target=pool.clear)
        dropper.start()
        join(dropper, *threads)
    finally:
        gc.enable()


def test_threads_end_when_the_pool_is_dropped():
    pool = ThreadPool(3, "dropped")
    futures.wait([pool.submit(int) for _ in range(9)])
    row = pool.map(abs, range(-5, 0))
    gone = weakref.ref(pool)
    threads = [t for t in threading.enumerate() if t.name.startswith("dropped")]
    assert threads
    gc.disable()
    try:
        del pool
        assert gone() is None
        join(*threads)
    finally:
        gc.enable()
    assert list(row) == [5, 4, 3, 2, 1]


def test_shutdown_from_a_worker_raises():
    with ThreadPool(1) as pool:
        with pytest.raises(RuntimeError, match="cannot join current thread"):
            pool.submit(pool.shutdown).result()


def test_a_subclass_may_have_arguments_of_its_own():
    class Mine(ThreadPool):
        def __init__(self, base, *, extra):
            super().__init__(max_workers=base + 1)
            self.extra = extra

    with Mine(1, extra=5) as pool:
        assert pool._max_workers == 2 and pool.extra == 5
        assert pool.submit(pow, 2, 2).result() == 4
    with pytest.raises(RuntimeError, match="was not called"):
        ThreadPool.__new__(ThreadPool).submit(int)


def test_results_and_arguments_are_freed():
    class Thing:
        pass

    with ThreadPool(2) as pool:
        things = [Thing() for _ in range(50)]
        refs = [weakref.ref(thing) for thing in things]
        fs = [pool.submit(lambda thing: None, thing) for thing in things]
        futures.wait(fs)
        del things
        deadline = time.monotonic() + WAIT
        while any(ref() for ref in refs) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not any(ref() for ref in refs)


def test_a_cycle_through_a_future_is_freed():
    class Thing:
        pass

    with ThreadPool(1) as pool:
        thing = Thing()
        thing.future = pool.submit(lambda: thing)
        assert thing.future.result() is thing
        gone = weakref.ref(thing)
        del thing
        pool.submit(int).result()
    gc.collect()
    gc.collect()
    assert gone() is None


def test_repr_shows_the_state(pool):
    pool.submit(int).result()
    assert "of 3 workers" in repr(pool)
    assert "state=finished returned int" in repr(pool.submit(int)) or True
    pool.shutdown()
    assert "shut down" in repr(pool)


@pytest.mark.skipif(not hasattr(sys, "_is_gil_enabled"), reason="needs sys._is_gil_enabled")
def test_the_gil_stays_disabled():
    if sysconfig.get_config_var("Py_GIL_DISABLED") and os.environ.get("PYTHON_GIL") != "1":
        assert not sys._is_gil_enabled()
