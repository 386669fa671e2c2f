"""Parallel calls: map, for_each, parallel_for and reduce, and tasks that wait for tasks."""

import concurrent.futures as futures
import operator
import os
import signal
import sys
import threading
import time

import pytest
from deadlines import run_code

from ungil import Adder, PerThread, ThreadPool

WAIT = 60


@pytest.fixture
def pool():
    with ThreadPool(3) as pool:
        yield pool


@pytest.mark.parametrize("chunksize", [None, 1, 7, 10**6])
def test_map_yields_results_in_order(pool, chunksize):
    assert list(pool.map(pow, range(50), range(50), chunksize=chunksize)) == [
        i**i for i in range(50)
    ]
    assert list(pool.map(str, (i for i in range(3000)), chunksize=chunksize)) == [
        str(i) for i in range(3000)
    ]
    assert list(pool.map(str, [], chunksize=chunksize)) == []
    assert list(pool.map(operator.add, [1, 2, 3], [1])) == [2]
    big = range(2**70, 2**70 + 5)
    assert list(pool.map(int, big)) == list(big)
    assert list(pool.map(int, range(10, -10, -3))) == list(range(10, -10, -3))


def test_map_without_iterables_is_empty(pool):
    assert list(pool.map(int)) == []


def test_map_with_wrong_arguments(pool):
    with pytest.raises(TypeError):
        pool.map(str, 5)
    with pytest.raises(ValueError, match="chunksize"):
        pool.map(str, [1], chunksize=0)
    for wrong, error in ((0, ValueError), (-1, ValueError), ("1", TypeError)):
        with pytest.raises(error, match="buffersize"):
            pool.map(str, [1], buffersize=wrong)
    with pytest.raises(ZeroDivisionError):
        pool.map(str, (1 / (3 - i) for i in range(9)))


def test_map_raises_where_the_result_would_be(pool):
    row = pool.map(divmod, [1, 1, 1, 1], [2, 3, 0, 5])
    assert next(row) == (0, 1)
    assert next(row) == (0, 1)
    with pytest.raises(ZeroDivisionError):
        next(row)
    with pytest.raises(StopIteration):
        next(row)


def test_map_times_out():
    with ThreadPool(2) as pool:
        stop = threading.Event()
        row = pool.map(lambda i: i if i < 2 else stop.wait(WAIT), range(100), timeout=0.2)
        try:
            got = []
            with pytest.raises(TimeoutError):
                for value in row:
                    got.append(value)
            assert got == [0, 1]
        finally:
            stop.set()


def test_dropping_an_iterated_map_cancels_the_rest():
    seen = Adder()
    stop = threading.Event()

    def work(i):
        seen.add(1)
        if i:
            stop.wait(WAIT)

    with ThreadPool(2) as pool:
        row = pool.map(work, range(1000), chunksize=1)
        next(row)
        del row
        stop.set()
    assert seen.sum() < 1000
    with ThreadPool(2) as pool:
        pool.map(work, range(100))
        before = seen.sum()
    assert seen.sum() - before <= 100


def test_an_unread_map_runs_to_its_end():
    seen = Adder()
    with ThreadPool(2) as pool:
        pool.map(seen.add, [1] * 500)
    assert seen.sum() == 500


def test_map_with_a_buffer_reads_no_further_ahead(pool):
    ahead = []

    def source():
        for i in range(20):
            ahead.append(i)
            yield i

    row = pool.map(str, source(), buffersize=4)
    assert len(ahead) == 4
    assert next(row) == "0"
    assert len(ahead) == 5
    assert list(row) == [str(i) for i in range(1, 20)]


def test_several_threads_may_read_one_map(pool):
    row = pool.map(int, range(5000))
    with futures.ThreadPoolExecutor(3) as readers:
        parts = [reader.result() for reader in [readers.submit(list, row) for _ in range(3)]]
    assert sorted(sum(parts, [])) == list(range(5000))
    assert all(part == sorted(part) for part in parts)


@pytest.mark.parametrize("grain", [None, 1, 1000])
def test_every_item_is_processed_once(pool, grain):
    done = [0] * 20_000

    def mark(i):
        done[i] += 1

    pool.parallel_for(mark, range(20_000), grain=grain)
    assert done == [1] * 20_000


def test_chunks_of_slow_items_are_divided_again():
    """Items that are quick at first and slow later must not stay with one worker."""
    threads = PerThread(list)

    def work(i):
        if i >= 4000:
            time.sleep(0.002)
            threads().append(i)

    with ThreadPool(4) as pool:
        pool.parallel_for(work, range(4200))
    values = threads.values()
    assert sorted(sum(values, [])) == list(range(4000, 4200))
    assert len(values) > 1


def test_parallel_for_takes_any_iterable_and_wrong_arguments_are_errors(pool):
    total = Adder()
    pool.parallel_for(total.add, [1, 2, 3])
    pool.parallel_for(total.add, iter((4, 5)))
    pool.for_each(lambda a, b: total.add(a * b), [1, 2], [10, 20])
    pool.parallel_for(total.add, [])
    assert total.sum() == 65
    with pytest.raises(TypeError):
        pool.parallel_for(total.add, 5)
    with pytest.raises(ValueError, match="grain"):
        pool.parallel_for(total.add, [1], grain=0)


def test_the_first_error_cancels_the_rest_and_is_raised(pool):
    done = Adder()

    def work(i):
        if i == 100:
            raise KeyError(i)
        done.add(1)

    with pytest.raises(KeyError) as caught:
        pool.parallel_for(work, range(10_000_000))
    assert caught.value.args == (100,)
    assert caught.traceback[-1].name == "work"
    assert done.sum() < 10_000_000
    with pytest.raises(SystemExit):
        pool.for_each(sys.exit, [3])
    with pytest.raises(ZeroDivisionError):
        pool.reduce(operator.truediv, [0], 1)
    with pytest.raises(ZeroDivisionError):
        pool.reduce(operator.add, [0], factory=lambda: 1 / 0)


def test_reduce(pool):
    n = 30_000
    assert pool.reduce(operator.add, range(n), 0) == n * (n - 1) // 2
    assert pool.reduce(operator.add, [], 7) == 7
    assert pool.reduce(operator.add, [], factory=list) == []
    assert pool.reduce(max, [3, 9, 2], float("-inf")) == 9

    def append(part, item):
        part.append(item)
        return part

    items = pool.reduce(append, range(n), factory=list, combine=operator.add)
    assert sorted(items) == list(range(n))
    assert pool.reduce(append, range(n), factory=list, combine=operator.add, ordered=True) == list(
        range(n)
    )
    assert pool.reduce(operator.add, "abcdefgh" * 99, "", ordered=True, grain=3) == "abcdefgh" * 99
    with pytest.raises(TypeError):
        pool.reduce(operator.add, [1])
    with pytest.raises(TypeError):
        pool.reduce(operator.add, [1], 0, factory=int)


@pytest.mark.parametrize("workers", [1, 2])
def test_tasks_wait_for_tasks_to_depth_100(workers):
    def deep(n):
        return 0 if n == 0 else 1 + pool.submit(deep, n - 1).result()

    def deeper(n):
        return 0 if n == 0 else 1 + list(pool.map(deeper, [n - 1]))[0]

    def deepest(n):
        if n:
            pool.parallel_for(lambda _: deepest(n - 1), [0])

    with ThreadPool(workers) as pool:
        assert pool.submit(deep, 100).result() == 100
        assert pool.submit(deeper, 100).result() == 100
        pool.submit(deepest, 100).result()
        with_limit = pool.submit(lambda: pool.submit(deep, 50).result(timeout=WAIT))
        assert with_limit.result() == 50


def test_a_tree_of_tasks_that_wait(pool):
    def fibonacci(n):
        if n < 2:
            return n
        left, right = pool.submit(fibonacci, n - 1), pool.submit(fibonacci, n - 2)
        return left.result() + right.result()

    assert pool.submit(fibonacci, 13).result() == 233
    assert threading.active_count() < 100


def test_nested_parallel_calls(pool):
    count = Adder()

    def level(n):
        if n == 0:
            count.add(1)
        else:
            pool.parallel_for(lambda _: level(n - 1), range(4))

    level(5)
    assert count.sum() == 4**5


def test_wait_and_as_completed_inside_a_task():
    def inner():
        fs = [pool.submit(pow, i, 2) for i in range(4)]
        assert not futures.wait(fs, timeout=WAIT).not_done
        return sum(future.result() for future in futures.as_completed(fs, timeout=WAIT))

    with ThreadPool(1) as pool:
        assert pool.submit(inner).result() == 14
        assert [pool.submit(inner).result() for _ in range(5)] == [14] * 5


def test_replacement_workers_end():
    with ThreadPool(2, "few") as pool:
        gates = [threading.Event() for _ in range(6)]

        def chain(i):
            if i < 5:
                other = pool.submit(chain, i + 1)
                gates[i].wait(0.01)
                other.result(timeout=WAIT)

        pool.submit(chain, 0).result()
        deadline = time.monotonic() + WAIT
        while sum(t.name.startswith("few") for t in threading.enumerate()) > 2:
            assert time.monotonic() < deadline
            pool.submit(time.sleep, 0.001).result()


def run(code, **kwargs):
    return run_code(code, **kwargs)


def test_a_signal_cancels_the_rest_after_running_items_end():
    result = run(
        """
import os, signal, threading, time
from ungil import ThreadPool
pool = ThreadPool(2)
running = []
def work(i):
    running.append(1)
    if i == 1:
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)
    running.pop()
try:
    pool.parallel_for(work, range(10_000))
except KeyboardInterrupt:
    print("interrupted", len(running))
try:
    pool.submit(lambda: (time.sleep(0.1), os.kill(os.getpid(), signal.SIGINT), time.sleep(0.1))).result()
except KeyboardInterrupt:
    print("interrupted")
print(pool.submit(pow, 2, 3).result())
"""
    )
    assert result.stdout.split("\n") == ["interrupted 0", "interrupted", "8", ""], result.stderr


def test_interpreter_exit_runs_submitted_tasks():
    result = run(
        """
import os, time
from ungil import ThreadPool
pool = ThreadPool(2)
def say(word):
    os.write(1, b"%s " % word)
for i in range(20):
    pool.submit(lambda i: (time.sleep(0.01), say(b"%d" % i)), i)
pool.map(say, [b"row"] * 5)
"""
    )
    assert result.returncode == 0, result.stderr
    words = result.stdout.split()
    assert sorted(words) == sorted([*map(str, range(20)), *["row"] * 5])


def test_submitting_at_interpreter_exit_is_rejected():
    result = run(
        """
import atexit, threading
from ungil import ThreadPool
pool = ThreadPool(2)
pool.submit(int).result()
@atexit.register
def late():
    try:
        pool.submit(int)
    except RuntimeError as error:
        print(error)
"""
    )
    assert result.stdout.strip() == "cannot schedule new futures after interpreter shutdown", (
        result.stderr
    )
    assert result.returncode == 0


@pytest.mark.parametrize("daemon", [True, False])
def test_interpreter_exit_during_work(daemon):
    code = f"""
import threading, time
from ungil import ThreadPool
pool = ThreadPool(2)
def churn():
    try:
        while True:
            sum(pool.map(abs, range(1000)))
            [f.result() for f in [pool.submit(int) for _ in range(50)]]
            pool.parallel_for(abs, range(1000))
    except RuntimeError:
        pass
for _ in range(3):
    threading.Thread(target=churn, daemon={daemon}).start()
time.sleep(0.1)
"""
    for _ in range(3):
        result = run(code)
        assert result.returncode == 0, result.stderr
        assert not result.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_gets_a_clear_error_and_can_make_its_own_pool():
    result = run(
        """
import os, sys, warnings
warnings.simplefilter("ignore")
from ungil import ThreadPool
pool = ThreadPool(2)
pool.submit(int).result()
import threading
gate = threading.Event()
pending = pool.submit(gate.wait)
pid = os.fork()
if pid == 0:
    try:
        pool.submit(int)
    except RuntimeError as error:
        print("child:", error)
    try:
        pending.result()
    except RuntimeError as error:
        print("child:", error)
    with ThreadPool(2) as own:
        print("child:", own.submit(pow, 2, 3).result(), list(own.map(abs, [-1])))
    pool.shutdown()
    sys.exit(7)
_, status = os.waitpid(pid, 0)
gate.set()
print("parent:", pool.submit(pow, 2, 4).result(), os.waitstatus_to_exitcode(status))
"""
    )
    assert "forked child" in result.stdout, result.stderr
    assert "exists only in the parent process, so the future never finishes here" in result.stdout
    assert "child: 8 [1]" in result.stdout
    assert "parent: 16 7" in result.stdout


def test_signals_reach_the_main_thread_during_a_parallel_call():
    if not hasattr(signal, "setitimer"):
        pytest.skip("no timers here")
    seen = []
    old = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    try:
        with ThreadPool(2) as pool:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            pool.parallel_for(lambda _: time.sleep(0.2), range(2))
    finally:
        signal.signal(signal.SIGALRM, old)
    assert seen == [1]


def test_more_waiting_tasks_than_the_thread_limit():
    """With a timeout, a worker runs the awaited task itself only when no other worker is left."""

    def deep(n):
        return 0 if n == 0 else 1 + pool.submit(deep, n - 1).result(timeout=WAIT)

    with ThreadPool(1) as pool:
        assert pool.submit(deep, 600).result(WAIT) == 600
