"""Behaviour of single kinds: priorities that compare in Python, delays, exchanges."""

import gc
import queue
import threading
import time
import weakref

import pytest
from test_queues import TIMEOUT_S, BackgroundCall, Item, start_waiting

from ungil import DelayQueue, Exchanger, PriorityQueue


class Compared:
    """An item whose comparison calls a given hook."""

    def __init__(self, rank, hook=lambda: None):
        self.rank, self.hook = rank, hook

    def __lt__(self, other):
        self.hook()
        return self.rank < other.rank


def drain(q):
    return [q.get_nowait() for _ in range(q.qsize())]


@pytest.mark.parametrize(
    "items",
    [
        [3, 1, 2, -5, 2**70, 2**61, 0.5, -1e300, True],
        [2**53 + 1, float(2**53), 2**53, 0.1],
        [(1, "b"), (1, "a"), (0, object()), (2.5, None), (2, 1)],
        [(), (1,), (1, 2), (0, 5, 6)],
        ["b", "a", "", "c" * 100],
        [[2], [1, 5], [1]],
    ],
)
def test_priorities_of_any_comparable_type(items):
    q = PriorityQueue()
    for _ in range(3):
        for item in items:
            q.put(item)
    assert drain(q) == sorted(items * 3)


def test_incomparable_items():
    q = PriorityQueue()
    q.put("a")
    with pytest.raises(TypeError):
        q.put(1)
    assert q.qsize() == 1 and q.unfinished_tasks == 1
    assert q.get() == "a"


def test_a_comparison_that_raises_leaves_the_queue_as_it_was():
    failing = []

    def hook():
        if failing:
            raise LookupError

    q = PriorityQueue()
    for rank in (5, 3, 4, 1, 2):
        q.put(Compared(rank, hook))
    failing.append(True)
    with pytest.raises(LookupError):
        q.put(Compared(0, hook))
    with pytest.raises(LookupError):
        q.get()
    assert q.qsize() == 5
    failing.clear()
    assert [item.rank for item in drain(q)] == [1, 2, 3, 4, 5]


def test_a_comparison_that_uses_the_queue_raises():
    q = PriorityQueue()
    messages = []

    def hook():
        for call in (lambda: q.put(1), q.get_nowait, lambda: q.shutdown(immediate=True)):
            try:
                call()
            except RuntimeError as e:
                messages.append(str(e))
        q.qsize(), q.empty(), q.full(), repr(q), gc.collect()

    q.put(Compared(2, hook))
    q.put(Compared(1, hook))
    assert len(messages) == 3
    assert q.get().rank == 1


def test_others_wait_for_a_long_comparison():
    q = PriorityQueue()
    inside, go_on = threading.Event(), threading.Event()

    def hook():
        inside.set()
        assert go_on.wait(TIMEOUT_S)

    q.put(Compared(2))
    putter = BackgroundCall(q.put, Compared(1, hook))
    assert inside.wait(TIMEOUT_S)
    others = [start_waiting(q.put, Compared(3)), start_waiting(q.get)]
    go_on.set()
    putter.result()
    assert others[0].result() is None
    assert isinstance(others[1].result(), Compared)
    assert q.qsize() == 2


def test_priorities_from_many_threads():
    q = PriorityQueue(50)
    threads = [
        BackgroundCall(lambda k=k: [q.put(Compared(i * 4 + k)) for i in range(200)])
        for k in range(4)
    ]
    got = [BackgroundCall(lambda: [q.get().rank for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.result()
    assert sorted(sum((g.result() for g in got), [])) == list(range(800))


def test_delays():
    q = DelayQueue()
    start = time.monotonic()
    q.put("c", 0.06)
    q.put("a", delay=0.02)
    q.put("b", 0.02)
    assert q.qsize() == 3
    with pytest.raises(queue.Empty):
        q.get_nowait()
    with pytest.raises(queue.Empty):
        q.get(timeout=0.001)
    assert [q.get(), q.get(timeout=60), q.get()] == ["a", "b", "c"]
    assert time.monotonic() - start >= 0.06
    q.put(1)
    assert q.get_nowait() == 1 and q.empty()


def test_delays_that_are_none():
    q = DelayQueue()
    for bad in (-1, float("nan"), float("inf"), 1e300):
        with pytest.raises(ValueError):
            q.put(1, bad)
    with pytest.raises(TypeError):
        q.put(1, "1")


def test_an_earlier_item_wakes_a_waiter_for_a_later_one():
    q = DelayQueue()
    q.put("late", 3600)
    getters = [start_waiting(q.get) for _ in range(3)]
    for item in range(3):
        q.put(item, 0.01)
    assert sorted(g.result() for g in getters) == [0, 1, 2]


def test_delay_queue_shut_down():
    q = DelayQueue()
    q.put(1, 0.01)
    q.shutdown()
    with pytest.raises(queue.ShutDown):
        q.put(2)
    assert q.get() == 1
    with pytest.raises(queue.ShutDown):
        q.get()
    q = DelayQueue()
    item = Item()
    seen = weakref.ref(item)
    q.put(item, 3600)
    del item
    getter = start_waiting(q.get)
    q.shutdown(immediate=True)
    assert getter.result() is queue.ShutDown
    gc.collect()
    assert seen() is None


def test_delay_queue_is_collected():
    class Sub(DelayQueue):
        pass

    q = Sub()
    q.put(q, 3600)
    seen = weakref.ref(q)
    del q
    gc.collect()
    assert seen() is None


def test_exchange():
    e = Exchanger()
    other = start_waiting(e.exchange, "a")
    assert e.exchange("b") == "a"
    assert other.result() == "b"


def test_exchange_alone():
    e = Exchanger()
    item = Item()
    seen = weakref.ref(item)
    with pytest.raises(TimeoutError):
        e.exchange(item, 0.001)
    del item
    gc.collect()
    assert seen() is None
    for bad in (-1, float("nan")):
        with pytest.raises(ValueError):
            e.exchange(1, bad)
    other = start_waiting(e.exchange, 1, timeout=60)
    assert e.exchange(2, timeout=60) == 1
    assert other.result() == 2


def test_exchanges_of_many():
    e = Exchanger()

    def trade(mine):
        got = []
        for _ in range(500):
            mine = e.exchange(mine)
            got.append(mine)
        return mine

    # An even number of visits, so that every thread finds a partner.
    traders = [BackgroundCall(trade, name) for name in "ab"]
    assert sorted(t.result() for t in traders) == ["a", "b"]
    together = [BackgroundCall(e.exchange, n) for n in range(8)]
    assert sorted(t.result() for t in together) == list(range(8))
