"""Locks in a forked child, and at interpreter exit while threads wait in them."""

import os
import textwrap

import pytest
from deadlines import run_code

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

HEAD = """
import os, sys, threading, time, traceback, warnings
warnings.simplefilter("ignore")
import ungil

def start(target):
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread

def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)

def fork(child):
    pid = os.fork()
    if pid == 0:
        try:
            child()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

def refused(call):
    try:
        call()
    except RuntimeError as error:
        assert "forked" in str(error), error
    else:
        assert False, "not refused"
"""


def run(body, status=0):
    script = HEAD + textwrap.dedent(body)
    done = run_code(script)
    assert done.returncode == status, done.stdout + done.stderr
    return done


@needs_fork
@pytest.mark.parametrize("make", ["ungil.Lock()", "ungil.Lock(fair=True)", "ungil.RLock()"])
def test_a_lock_in_the_child(make):
    run(f"""
    mine, other, free = {make}, {make}, {make}
    mine.acquire()
    go = threading.Event()
    start(lambda: (other.acquire(), go.wait()))
    until(other.locked)
    waiters = [start(mine.acquire), start(other.acquire)]
    until(lambda: mine.waiters == 1 and other.waiters == 1)

    def child():
        assert mine.waiters == 0
        refused(other.acquire)
        refused(lambda: other.acquire(timeout=5))
        assert other.acquire(False) is False
        other._at_fork_reinit()
        with other:
            pass
        assert mine.owner == threading.get_ident()
        got = []
        thread = start(lambda: (mine.acquire(), got.append(1), mine.release()))
        until(lambda: mine.waiters == 1)
        mine.release()
        thread.join(60)
        assert got == [1]
        with free:
            pass

    fork(child)
    mine.release()
    go.set()
    """)


@needs_fork
def test_a_read_write_lock_in_the_child():
    run("""
    read, written, mine = ungil.RWLock(), ungil.RWLock(), ungil.RWLock()
    go = threading.Event()
    start(lambda: (read.acquire_read(), go.wait()))
    start(lambda: (written.acquire_write(), go.wait()))
    mine.acquire_read()
    until(lambda: read.readers == 1 and written.owner)
    start(mine.acquire_write)
    until(lambda: mine.waiters == 1)

    def child():
        with read.write():
            pass
        refused(written.acquire_read)
        refused(written.acquire_write)
        got = []
        thread = start(lambda: (mine.acquire_write(), got.append(1), mine.release_write()))
        until(lambda: mine.waiters == 1)
        assert not got
        mine.release_read()
        thread.join(60)
        assert got == [1]

    fork(child)
    go.set()
    """)


@needs_fork
def test_synchronizers_in_the_child():
    run("""
    semaphore, latch, event, barrier, stamped = ungil.Semaphore(0), ungil.Latch(1), ungil.Event(), ungil.Barrier(2), ungil.StampedLock()
    stamp = stamped.read_lock()
    for wait in (semaphore.acquire, latch.wait, event.wait, barrier.wait):
        start(wait)
    until(lambda: semaphore.waiters and latch.waiters and event.waiters and barrier.n_waiting)

    def child():
        semaphore.release()
        assert semaphore.acquire(timeout=5)
        latch.count_down()
        event.set()
        assert latch.wait(5) and event.wait(5)
        thread = start(barrier.wait)
        barrier.wait(60)
        thread.join(60)
        refused(stamped.write_lock)

    fork(child)
    """)


@pytest.mark.parametrize("held", [True, False])
def test_daemon_threads_waiting_at_exit(held):
    run(f"""
    lock, fair, rlock, rw, semaphore = ungil.Lock(), ungil.Lock(fair=True), ungil.RLock(), ungil.RWLock(), ungil.Semaphore(0)
    for one in (lock, fair, rlock):
        one.acquire()
    rw.acquire_write()
    barrier, latch, event, phaser = ungil.Barrier(99), ungil.Latch(1), ungil.Event(), ungil.Phaser(2)
    waits = [lock.acquire, fair.acquire, rlock.acquire, rw.acquire_read, rw.acquire_write,
             semaphore.acquire, barrier.wait, latch.wait,
             event.wait, phaser.arrive_and_await_advance, lambda: lock.acquire(timeout=0.01)]
    for wait in waits:
        for _ in range(3):
            start(wait)
    until(lambda: barrier.n_waiting == 3 and semaphore.waiters == 3)
    if not {held}:
        lock.release(); fair.release(); rlock.release(); rw.release_write(); semaphore.release(3); event.set()
    """)


def test_daemon_threads_busy_at_exit():
    run("""
    lock, rw, semaphore = ungil.Lock(), ungil.RWLock(), ungil.Semaphore(2)
    def work():
        while True:
            with lock:
                pass
            with rw.read():
                pass
            with rw.write():
                pass
            with semaphore:
                pass
            lock.acquire(timeout=0.0001) and lock.release()
    for _ in range(8):
        start(work)
    time.sleep(0.3)
    """)
