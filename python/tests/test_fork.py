"""fork(2) during operations.

In the child, a structure works with its content or raises a clear error; it never hangs or crashes.
Each test runs in its own process, because a process that forked with threads running is not fit for
further tests.
"""

import os

import pytest
from processes import run_script

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

HEAD = """
import gc, os, sys, threading, time, traceback, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import ungil

stop = False

def busy(work):
    def loop():
        while not stop:
            work()
    for _ in range(2):
        threading.Thread(target=loop, daemon=True).start()

def in_children(check, times=4):
    # The child must exit by itself, within the deadline of the test.
    for _ in range(times):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                check()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert status == 0, f"the child ended with {status}"
        time.sleep(0.003)
"""

# What the threads of the parent do, and what the child does then.
CASES = {
    "Array": """
a = ungil.Array(["x" * 9] * 8)
busy(lambda: [a.get_and_set(i, "y" * 9) for i in range(8)])
def check():
    assert all(item[0] in "xy" for item in a)
    a[0] = 5; assert a.get_and_set(0, 6) == 5
""",
    "AppendList": """
a = ungil.AppendList()
busy(lambda: a.append("x" * 9) if len(a) < 100000 else time.sleep(0.001))
def check():
    place = a.append("mine"); assert a[place] == "mine"
    assert all(item is not None for item in a[:100])
""",
    "numbers": """
n, s, f = ungil.AtomicInt(0), ungil.Adder(), ungil.AtomicFlag()
busy(lambda: (n.increment_and_get(), s.add(1), f.test_and_set()))
def check():
    before = n.get(); assert n.increment_and_get() == before + 1
    before = s.sum(); s.add(2); assert s.sum() == before + 2
""",
    "ConcurrentDict": """
d = ungil.ConcurrentDict({n: "x" * 9 for n in range(50)})
def change():
    for n in range(200):
        d[n] = "y" * 9
        d.compute(n % 7, lambda k, v: "z" * 9)
        d.pop(n + 50, None)
busy(change)
def check():
    for n in range(300):
        d[n] = n; assert d[n] == n
        assert d.compute(n, lambda k, v: v + 1) == n + 1
    assert len(d) >= 300 and len(d.snapshot()) == len(d)
    d.clear(); assert not d
""",
    "ConcurrentDict, somebody computing": """
d = ungil.ConcurrentDict()
inside = threading.Event()
def compute(key):
    inside.set(); time.sleep(1000)
threading.Thread(target=lambda: d.compute_if_absent("k", compute), daemon=True).start()
inside.wait()
def check():
    # The computing thread does not exist in the child: the key is free there, or the call raises.
    try:
        assert d.compute_if_absent("k", lambda key: 5) == 5
    except RuntimeError as error:
        assert "fork" in str(error)
    d["other"] = 1; assert d["other"] == 1
""",
    "ConcurrentSet": """
s = ungil.ConcurrentSet(range(50))
busy(lambda: [(s.add(n), s.discard(n)) for n in range(100)])
def check():
    s.add("mine"); assert "mine" in s; s.discard("mine"); assert "mine" not in s
""",
    "ConcurrentCounter": """
c = ungil.ConcurrentCounter()
busy(lambda: [c.add("hot"), c.add("cold")])
def check():
    before = c["mine"]; c.add("mine", 3); assert c["mine"] == before + 3
    c.add("hot", 1); assert c["hot"] > 0
""",
    "Queue": """
q = ungil.Queue(4)
busy(lambda: (q.put("x" * 9), q.get()))
threading.Thread(target=ungil.Queue().get, daemon=True).start()
def check():
    while q.qsize():
        q.get_nowait()
    for n in range(20):
        q.put(n, timeout=60); assert q.get(timeout=60) == n
""",
    "Queue with waiters": """
q, full = ungil.Queue(), ungil.Queue(1)
full.put(0)
for _ in range(3):
    threading.Thread(target=q.get, daemon=True).start()
    threading.Thread(target=full.put, args=(1,), daemon=True).start()
time.sleep(0.1)
def check():
    q.put(1); assert q.get(timeout=60) == 1
    assert full.get(timeout=60) == 0
    full.put(2, timeout=60); assert full.get(timeout=60) == 2
""",
    "LifoQueue and PriorityQueue": """
l, p = ungil.LifoQueue(), ungil.PriorityQueue()
busy(lambda: (l.put("x" * 9), l.get(), p.put(5), p.put((1, "x")) if False else None, p.get()))
def check():
    l.put(7, timeout=60); assert l.get(timeout=60) == 7
    p.put(-9, timeout=60); assert p.get(timeout=60) == -9
""",
    "Lock held by the one who forks": """
lock = ungil.Lock()
threading.Thread(target=lambda: (lock.acquire(), None), daemon=True) and lock.acquire()
for _ in range(2):
    threading.Thread(target=lock.acquire, daemon=True).start()
time.sleep(0.1)
def check():
    assert lock.locked()
    lock.release()
    assert lock.acquire(timeout=60)
    lock.release()
""",
    "Lock held by another": """
lock = ungil.Lock()
held = threading.Event()
def hold():
    with lock:
        held.set(); time.sleep(1000)
threading.Thread(target=hold, daemon=True).start()
held.wait()
def check():
    # The holder does not exist here and will never release: the call raises, or the lock is free.
    try:
        assert lock.acquire(timeout=0.01) in (True, False)
    except RuntimeError as error:
        assert "fork" in str(error)
    fresh = ungil.Lock()
    with fresh: pass
""",
    "Lock in use": """
lock = ungil.Lock()
def use():
    with lock: pass
busy(use)
def check():
    try:
        lock.acquire(timeout=0.01)
    except RuntimeError as error:
        assert "fork" in str(error)
""",
    "RWLock, Semaphore, Latch, Barrier": """
rw, s = ungil.RWLock(), ungil.Semaphore(2)
def use():
    with rw.read(): pass
    with s: pass
busy(use)
latch, barrier = ungil.Latch(1), ungil.Barrier(2)
threading.Thread(target=latch.wait, daemon=True).start()
threading.Thread(target=barrier.wait, daemon=True).start()
time.sleep(0.05)
def check():
    latch.count_down(); assert latch.wait(timeout=60)
    for attempt in (lambda: rw.acquire_read(timeout=0.01), lambda: s.acquire(timeout=0.01), lambda: barrier.wait(timeout=0.01)):
        try:
            attempt()
        except (RuntimeError, threading.BrokenBarrierError) as error:
            pass
""",
    "ThreadPool": """
pool = ungil.ThreadPool(2)
busy(lambda: pool.submit(abs, -1).result())
def check():
    try:
        assert pool.submit(abs, -5).result(timeout=60) == 5
    except RuntimeError as error:
        assert "fork" in str(error)
    with ungil.ThreadPool(2) as fresh:
        assert list(fresh.map(abs, [-1, -2])) == [1, 2]
""",
    "PerThread": """
local = ungil.PerThread(list)
busy(lambda: local.get().append(1) if len(local.get()) < 1000 else time.sleep(0.001))
def check():
    local.get().append("mine"); assert "mine" in local.get()
""",
    "the collector": """
d, a = ungil.ConcurrentDict(), ungil.Array([None] * 8)
def cycles():
    d["self"] = d; a[0] = a; d.clear(); gc.collect(0)
busy(cycles)
def check():
    gc.collect(); d["self"] = d; gc.collect()
""",
}


@pytest.mark.parametrize("name", CASES)
def test_the_child_of_a_fork(name):
    run_script(HEAD + CASES[name] + "\nin_children(check)\nstop = True\nos._exit(0)\n")
