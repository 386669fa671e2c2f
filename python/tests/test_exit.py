"""The interpreter exits while daemon threads wait in, or use, every structure.

The process must exit with status 0 and write nothing to stderr.
"""

import pytest
from processes import run_script

HEAD = """
import sys, threading, time
import ungil

started = []
def daemon(work):
    def run():
        started.append(None)
        while True:
            work()
    threading.Thread(target=run, daemon=True).start()

def until_shut(work):
    # A pool rejects work at interpreter exit, as intended: the caller stops then.
    def attempt():
        try:
            work()
        except RuntimeError:
            time.sleep(1000)
    return attempt
"""
TAIL = """
while not started:
    time.sleep(0.001)
time.sleep(0.05)
"""

WAITING = {
    "Queue.get": "q = ungil.Queue(); daemon(q.get)",
    "Queue.put": "q = ungil.Queue(1); q.put(1); daemon(lambda: q.put('x' * 9))",
    "Queue.join": "q = ungil.Queue(); q.put(1); daemon(q.join)",
    "Queue.get_many": "q = ungil.Queue(); daemon(lambda: q.get_many(3))",
    "Queue.get with a timeout": "q = ungil.Queue(); daemon(lambda: q.get(timeout=1000))",
    "LifoQueue.get": "q = ungil.LifoQueue(); daemon(q.get)",
    "PriorityQueue.get": "q = ungil.PriorityQueue(); daemon(q.get)",
    "DelayQueue.get": "q = ungil.DelayQueue(); q.put(1, 1000); daemon(q.get)",
    "Exchanger.exchange": "e = ungil.Exchanger(); daemon(lambda: e.exchange(1))",
    "Lock.acquire": "l = ungil.Lock(); l.acquire(); daemon(l.acquire)",
    "fair Lock.acquire": "l = ungil.Lock(fair=True); l.acquire(); daemon(l.acquire); daemon(l.acquire)",
    "RLock.acquire": "l = ungil.RLock(); l.acquire(); daemon(l.acquire)",
    "RWLock.acquire_read": "l = ungil.RWLock(); l.acquire_write(); daemon(l.acquire_read)",
    "RWLock.acquire_write": "l = ungil.RWLock(); l.acquire_read(); daemon(l.acquire_write)",
    "Semaphore.acquire": "s = ungil.Semaphore(1); s.acquire(); daemon(s.acquire)",
    "Latch.wait": "l = ungil.Latch(1); daemon(l.wait)",
    "Barrier.wait": "b = ungil.Barrier(3); daemon(b.wait); daemon(b.wait)",
    "Phaser": "p = ungil.Phaser(2); daemon(p.arrive_and_await_advance)",
    "compute_if_absent": """
d = ungil.ConcurrentDict()
daemon(lambda: d.compute_if_absent('k', lambda k: time.sleep(1000)))
daemon(lambda: d.compute_if_absent('k', lambda k: 5))
""",
    "ThreadPool, idle": "p = ungil.ThreadPool(2); p.submit(abs, -1).result(); started.append(None)",
    "ThreadPool, result of a running task awaited by a daemon": """
p = ungil.ThreadPool(1)
stop = threading.Event()
future = p.submit(stop.wait, 0.2)
daemon(future.result)
""",
}

BUSY = {
    "Array": "a = ungil.Array(['x'] * 8); daemon(lambda: a.get_and_set(3, 'y' * 20)); daemon(lambda: a.get_and_set(3, 'z' * 20))",
    "AppendList": "a = ungil.AppendList(); daemon(lambda: a.append('x' * 9))",
    "numbers": "a, n = ungil.Adder(), ungil.AtomicInt(); daemon(lambda: (a.add(1), n.increment_and_get()))",
    "ConcurrentDict": """
d = ungil.ConcurrentDict()
daemon(lambda: [d.__setitem__(n, 'x' * n) for n in range(300)])
daemon(lambda: [d.pop(n, None) for n in range(300)])
daemon(lambda: list(d.items()))
daemon(lambda: d.compute(5, lambda k, v: 'x'))
""",
    "Queue": "q = ungil.Queue(3); daemon(lambda: q.put('x' * 9)); daemon(q.get); daemon(q.get)",
    "Lock": """
l = ungil.Lock()
def work():
    with l: pass
daemon(work); daemon(work)
""",
    "share": "daemon(lambda: ungil.share({'a': [1, 2, {'b': 3}]}))",
    "finalizers": """
d = ungil.ConcurrentDict()
class Touchy:
    def __del__(self):
        d.pop(1, None); d[2] = 5
daemon(lambda: (d.__setitem__(1, Touchy()), d.__setitem__(2, Touchy())))
""",
    "ThreadPool": "p = ungil.ThreadPool(2); daemon(until_shut(lambda: p.submit(abs, -1).result()))",
    "parallel_for": "p = ungil.ThreadPool(2); daemon(until_shut(lambda: p.parallel_for(abs, range(1000))))",
}


def stderr_of(script):
    return run_script(HEAD + script + TAIL).stderr


@pytest.mark.parametrize("name", WAITING)
def test_the_interpreter_ends_while_a_thread_waits(name):
    assert stderr_of(WAITING[name]) == ""


@pytest.mark.parametrize("name", BUSY)
def test_the_interpreter_ends_while_threads_are_busy(name):
    assert stderr_of(BUSY[name]) == ""


def test_structures_outlive_their_module():
    """A module torn down after ours holds the structures, and a finalizer uses them at the end."""
    run_script(
        """
        import sys, ungil
        held = [ungil.ConcurrentDict({1: [2]}), ungil.Queue(), ungil.Array([[1]]), ungil.AppendList(), ungil.Lock()]
        held[0]["self"] = held
        held[1].put(held)
        sys.held = held
        class Last:
            def __init__(self, d):
                self.d = d
            def __del__(self):
                self.d["last"] = 1
        sys.last = Last(held[0])
        """
    )
