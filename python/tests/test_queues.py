"""The common behaviour of the three queues and those of `queue`, as CPython's tests specify it."""

import gc
import pickle
import queue
import threading
import time
import weakref
from pathlib import Path

import pytest
from deadlines import join

from ungil import LifoQueue, PriorityQueue, Queue

KINDS = [Queue, LifoQueue, PriorityQueue]
TIMEOUT_S = 60


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def wait_until_asleep(thread):
    """Waits until a thread sleeps in the kernel, as far as that can be observed."""
    deadline = time.monotonic() + TIMEOUT_S
    stat = Path(f"/proc/self/task/{thread.native_id}/stat")
    while time.monotonic() < deadline and thread.is_alive() and stat.exists():
        try:
            if stat.read_text().rsplit(")", 1)[1].split()[0] == "S":
                return
        except OSError:
            return


class BackgroundCall(threading.Thread):
    """A call in its own thread, and its outcome."""

    def __init__(self, call, *args, **kwargs):
        super().__init__(daemon=True)
        self.call, self.args, self.kwargs = call, args, kwargs
        self.outcome = None
        self.start()

    def run(self):
        try:
            self.outcome = self.call(*self.args, **self.kwargs)
        except BaseException as e:
            self.outcome = type(e)

    def result(self):
        join(self)
        return self.outcome


def start_waiting(call, *args, **kwargs):
    """Starts a call and waits until its thread sleeps."""
    run = BackgroundCall(call, *args, **kwargs)
    wait_until_asleep(run)
    return run


def test_order():
    for kind, expected in zip(KINDS, ([3, 1, 2], [2, 1, 3], [1, 2, 3])):
        q = kind()
        for item in (3, 1, 2):
            q.put(item)
        assert [q.get() for _ in range(3)] == expected


def test_bound(kind):
    q = kind(2)
    assert (q.maxsize, q.qsize(), q.empty(), q.full()) == (2, 0, True, False)
    q.put(1)
    q.put(2, block=True, timeout=10)
    assert (q.qsize(), q.empty(), q.full()) == (2, False, True)
    for attempt in (
        lambda: q.put_nowait(3),
        lambda: q.put(3, False),
        lambda: q.put(3, block=0),
        lambda: q.put(3, timeout=0.001),
        lambda: q.put(3, True, 0),
    ):
        with pytest.raises(queue.Full):
            attempt()
    assert {q.get(), q.get()} == {1, 2}
    for attempt in (
        q.get_nowait,
        lambda: q.get(False),
        lambda: q.get(block=0),
        lambda: q.get(timeout=0.001),
        lambda: q.get(True, 0),
    ):
        with pytest.raises(queue.Empty):
            attempt()


@pytest.mark.parametrize("maxsize", [0, -1, -(2**62)])
def test_no_bound(kind, maxsize):
    q = kind(maxsize)
    for i in range(1000):
        q.put(i)
    assert not q.full()
    assert sorted(q.get() for _ in range(1000)) == list(range(1000))


def test_arguments(kind):
    q = kind(1)
    for call in (
        lambda: q.put(1, timeout=-1),
        lambda: q.get(timeout=-1),
        lambda: q.put(1, timeout=float("nan")),
    ):
        with pytest.raises(ValueError):
            call()
    for call in (
        lambda: q.get(timeout="1"),
        lambda: kind("1"),
        lambda: q.put(),
        lambda: q.get(1, 2, 3),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(OverflowError):
        kind(2**70)
    q.put(1, timeout=1e300)
    assert q.get(timeout=float("inf")) == 1
    # Ignored, as in `queue`.
    q.put(1, False, -1)
    assert q.get(False, -1) == 1


def test_a_getter_waits_for_an_item(kind):
    for timeout in (None, 60):
        q = kind()
        getter = start_waiting(q.get, True, timeout)
        q.put(7)
        assert getter.result() == 7


def test_a_putter_waits_for_space(kind):
    for timeout in (None, 60):
        q = kind(1)
        q.put(1)
        putter = start_waiting(q.put, 2, True, timeout)
        assert q.get() == 1
        putter.result()
        assert q.get() == 2


def test_tasks(kind):
    q = kind()
    with pytest.raises(ValueError, match="too many"):
        q.task_done()
    q.join()
    for i in range(10):
        q.put(i)
    assert q.unfinished_tasks == 10
    joiner = start_waiting(q.join)
    for _ in range(10):
        assert joiner.is_alive()
        q.get()
        q.task_done()
    joiner.result()
    with pytest.raises(ValueError):
        q.task_done()
    q.join()


def test_rejected_puts_are_not_counted_as_tasks(kind):
    q = kind(1)
    q.put(1)
    for _ in range(5):
        with pytest.raises(queue.Full):
            q.put_nowait(2)
    assert q.unfinished_tasks == 1
    q.task_done()
    q.join()


def test_shutdown(kind):
    q = kind(2)
    q.put(1)
    q.put(2)
    putter = start_waiting(q.put, 3)
    assert not q.is_shutdown
    q.shutdown()
    assert q.is_shutdown
    assert putter.result() is queue.ShutDown
    for call in (lambda: q.put(3), lambda: q.put_nowait(3), lambda: q.put(3, timeout=1)):
        with pytest.raises(queue.ShutDown):
            call()
    assert {q.get(), q.get_nowait()} == {1, 2}
    for call in (q.get, q.get_nowait, lambda: q.get(timeout=1)):
        with pytest.raises(queue.ShutDown):
            call()
    assert q.unfinished_tasks == 2
    q.shutdown()


def test_shutdown_at_once(kind):
    q = kind()
    for i in range(5):
        q.put(i)
    q.get()
    joiner = start_waiting(q.join)
    q.shutdown(immediate=True)
    assert q.qsize() == 0
    with pytest.raises(queue.ShutDown):
        q.get()
    # The item that was taken out is still being processed.
    assert q.unfinished_tasks == 1
    q.task_done()
    joiner.result()
    with pytest.raises(ValueError):
        q.task_done()


def test_shutdown_wakes_getters(kind):
    q = kind()
    getters = [start_waiting(q.get) for _ in range(3)] + [start_waiting(q.get, timeout=60)]
    q.shutdown()
    assert [getter.result() for getter in getters] == [queue.ShutDown] * 4


def test_many(kind):
    q = kind()
    assert q.put_many(range(1000)) == 1000
    assert q.put_many([]) == 0
    out = []
    while len(out) < 1000:
        some = q.get_many(7)
        assert 0 < len(some) <= 7
        out += some
    assert sorted(out) == list(range(1000))
    if kind is Queue:
        assert out == sorted(out)
    with pytest.raises(queue.Empty):
        q.get_many(1, block=False)
    with pytest.raises(queue.Empty):
        q.get_many(1, timeout=0.001)
    for bad in (0, -1):
        with pytest.raises(ValueError):
            q.get_many(bad)
    q.put(1)
    assert q.get_many(2**62) == [1]


def test_many_and_the_bound(kind):
    q = kind(3)
    assert q.put_many(range(5), block=False) == 3
    with pytest.raises(queue.Full):
        q.put_many([9], block=False)
    assert q.qsize() == 3
    putter = start_waiting(q.put_many, range(10, 15))
    got = []
    while len(got) < 8:
        got += q.get_many(2)
    assert sorted(got) == [0, 1, 2, 10, 11, 12, 13, 14]
    assert putter.result() == 5
    q.shutdown()
    with pytest.raises(queue.ShutDown):
        q.put_many([1])


def test_put_many_from_a_failing_iterable(kind):
    def failing():
        yield 1
        raise LookupError

    q = kind()
    with pytest.raises(LookupError):
        q.put_many(failing())
    assert q.empty()


class Item:
    def __init__(self, rank=0):
        self.rank = rank

    def __lt__(self, other):
        return self.rank < other.rank


def test_items_are_released_once(kind):
    for maxsize in (0, 4):
        q = kind(maxsize)
        items = [Item(i) for i in range(4)]
        seen = [weakref.ref(item) for item in items]
        for item in items:
            q.put(item)
        if maxsize:
            refused = Item(9)
            seen_refused = weakref.ref(refused)
            with pytest.raises(queue.Full):
                q.put_nowait(refused)
            del refused
            gc.collect()
            assert seen_refused() is None
        del items, item
        q.get()
        gc.collect()
        assert sum(ref() is not None for ref in seen) == 3
        del q
        gc.collect()
        assert all(ref() is None for ref in seen)


def test_shutdown_releases(kind):
    q = kind()
    item = Item()
    seen = weakref.ref(item)
    q.put(item)
    del item
    q.shutdown(immediate=True)
    gc.collect()
    assert seen() is None


def test_cycles_are_collected(kind):
    class Sub(kind):
        pass

    q = Sub()
    q.me = q
    q.put((1, Item()))
    q.put((2, q))
    seen = weakref.ref(q)
    del q
    gc.collect()
    assert seen() is None


def test_many_items_survive_the_collector(kind):
    q = kind()
    for i in range(2000):
        q.put((i, [i]))
        if i % 500 == 0:
            gc.collect()
    gc.collect()
    assert sorted(q.get() for _ in range(2000)) == [(i, [i]) for i in range(2000)]


def test_values_come_out_unchanged():
    values = [
        None,
        True,
        1,
        -1,
        2**61,
        -(2**61),
        2**62,
        2**70,
        0.0,
        -0.0,
        1.5,
        1e300,
        float("inf"),
        "",
        "a",
        b"",
        (),
        [],
        {},
    ]
    q = Queue()
    for value in values:
        q.put(value)
    for value in values:
        out = q.get()
        assert type(out) is type(value) and repr(out) == repr(value)
        if isinstance(value, (list, dict, str, bytes)):
            assert out is value


def test_types(kind):
    assert "maxsize=3" in repr(kind(3)) and kind.__name__ in repr(kind(3))
    assert kind[int].__origin__ is kind
    assert isinstance(kind(), Queue)
    assert gc.is_tracked(kind())
    with pytest.raises(TypeError):
        pickle.dumps(kind())
    with pytest.raises(AttributeError):
        kind().maxsize = 3

    class Sub(kind):
        def put(self, item):
            super().put(item)

    q = Sub(maxsize=1)
    q.put(1)
    assert q.get() == 1 and q.maxsize == 1


def test_a_long_chain_of_queues_is_dropped(kind):
    chain = None
    for _ in range(100_000):
        q = kind(1)
        q.put((0, chain))
        chain = q
    del q, chain
    gc.collect()
