"""`RWLock`, `StampedLock` and `StripedLock`."""

import gc
import signal
import threading
import time
import weakref

import pytest
from test_locks import TIMEOUT_S, join, start, wait_until

import ungil


def test_readers_together_writers_alone():
    lock, wrong = ungil.RWLock(), []
    here = threading.Barrier(4)

    def read():
        with lock.read():
            here.wait(TIMEOUT_S)

    join([start(read) for _ in range(4)])

    data = [0, 0]

    def write():
        for _ in range(200):
            with lock.write():
                data[0] += 1
                if data[0] % 50 == 0:
                    time.sleep(0)
                data[1] += 1

    def check():
        for _ in range(400):
            with lock.read():
                if data[0] != data[1]:
                    wrong.append(tuple(data))

    join([start(write) for _ in range(3)] + [start(check) for _ in range(3)])
    assert data == [600, 600] and not wrong
    assert lock.waiters == 0 and lock.readers == 0 and lock.owner is None


def test_a_writer_excludes_readers_and_writers():
    lock, got = ungil.RWLock(), []
    with lock.write():
        assert lock.owner == threading.get_ident()
        join(
            [
                start(
                    lambda: got.append(
                        (
                            lock.acquire_read(False),
                            lock.acquire_write(False),
                            lock.acquire_read(timeout=0.01),
                        )
                    )
                )
            ]
        )
    with lock.read():
        assert lock.readers == 1
        join(
            [
                start(
                    lambda: got.append(
                        (
                            lock.acquire_read(False),
                            lock.release_read(),
                            lock.acquire_write(False),
                            lock.acquire_write(timeout=0.01),
                        )
                    )
                )
            ]
        )
    assert got == [(False, False, False), (True, None, False, False)]
    assert lock.acquire_write(False)
    lock.release_write()


def test_a_reader_that_would_wait_for_itself_raises():
    lock = ungil.RWLock()
    with lock.read():
        with pytest.raises(RuntimeError, match="wait for itself"):
            lock.acquire_write()
        with pytest.raises(RuntimeError):
            with lock.write():
                pass
    with lock.write():
        pass


def test_reentrance_and_downgrade():
    lock, got = ungil.RWLock(), []
    with lock.write(), lock.write(), lock.read(), lock.read():
        pass
    assert lock.acquire_write(False)
    lock.acquire_read()
    lock.release_write()
    join(
        [
            start(
                lambda: got.append(
                    (lock.acquire_write(False), lock.acquire_read(False), lock.release_read())
                )
            )
        ]
    )
    lock.release_read()
    assert got == [(False, True, None)] and lock.readers == 0


def test_a_reader_may_reacquire_while_a_writer_waits():
    lock = ungil.RWLock()
    with lock.read():
        thread = start(lambda: (lock.acquire_write(), lock.release_write()))
        wait_until(lambda: lock.waiters >= 1)
        with lock.read():
            pass
    join([thread])


def test_a_waiting_writer_blocks_new_readers_which_go_next():
    lock, order = ungil.RWLock(), []
    threads = []

    def write(name):
        with lock.write():
            order.append(name)
            if name == "first":
                wait_until(lambda: lock.waiters >= 2)

    def read():
        with lock.read():
            order.append("reader")

    with lock.read():
        threads.append(start(write, "first"))
        wait_until(lambda: lock.waiters == 1)
        threads.append(start(read))
        wait_until(lambda: lock.waiters == 2)
        threads.append(start(write, "second"))
        wait_until(lambda: lock.waiters == 3)
        assert order == []
    join(threads)
    assert order == ["first", "reader", "second"]


def test_holds_belong_to_threads():
    lock, errors = ungil.RWLock(), []

    def release(method):
        try:
            method()
        except RuntimeError as error:
            errors.append(str(error))

    with lock.read():
        join([start(release, lock.release_read)])
    with lock.write():
        join([start(release, lock.release_write)])
    with pytest.raises(RuntimeError):
        lock.release_read()
    with pytest.raises(RuntimeError):
        lock.release_write()
    assert len(errors) == 2


def test_rwlock_timeouts_leave_it_usable():
    lock, stop = ungil.RWLock(), threading.Event()

    def work(number):
        take, give = (
            (lock.acquire_write, lock.release_write)
            if number % 2
            else (lock.acquire_read, lock.release_read)
        )
        while not stop.is_set():
            if take(timeout=0.0001 * (number % 5)):
                time.sleep(0)
                give()

    threads = [start(work, number) for number in range(12)]
    time.sleep(1)
    stop.set()
    join(threads)
    assert lock.readers == 0 and lock.waiters == 0 and lock.owner is None
    assert lock.acquire_write(timeout=0)


def test_rwlock_interrupts_leave_it_usable():
    lock, held, go = ungil.RWLock(), threading.Event(), threading.Event()

    def hold(guard):
        with guard:
            held.set()
            go.wait(TIMEOUT_S)

    def interrupt(*_):
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        for guard, wanted in [
            (lock.write(), lock.acquire_read),
            (lock.write(), lock.acquire_write),
            (lock.read(), lock.acquire_write),
        ]:
            held.clear()
            go.clear()
            thread = start(hold, guard)
            held.wait(TIMEOUT_S)
            for _ in range(10):
                with pytest.raises(KeyboardInterrupt):
                    signal.setitimer(signal.ITIMER_REAL, 0.002)
                    wanted()
                assert lock.waiters == 0
            go.set()
            join([thread])
            assert lock.acquire_write(timeout=TIMEOUT_S)
            lock.release_write()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def test_guards_are_made_once_and_collected():
    lock = ungil.RWLock()
    assert lock.read() is lock.read()
    assert lock.write() is lock.write()
    ref = weakref.ref(lock)
    del lock
    gc.collect()
    assert ref() is None


def test_stamps():
    lock = ungil.StampedLock()
    look = lock.try_optimistic_read()
    assert look and lock.validate(look) and not lock.validate(0)
    read = lock.read_lock()
    assert lock.validate(read) and lock.validate(look)
    assert lock.write_lock(False) == 0
    second = lock.read_lock(timeout=1)
    lock.unlock_read(read)
    lock.unlock(second)
    write = lock.write_lock()
    assert lock.is_write_locked() and lock.try_optimistic_read() == 0
    assert not lock.validate(look) and lock.validate(write)
    assert lock.read_lock(False) == 0 and lock.read_lock(timeout=0.01) == 0
    with pytest.raises(RuntimeError):
        lock.unlock_read(write)
    lock.unlock_write(write)
    for stamp in (write, read, look, 0, 2**63):
        with pytest.raises(RuntimeError):
            lock.unlock(stamp)
    assert not lock.validate(look) and lock.validate(lock.try_optimistic_read())


def test_conversions():
    lock = ungil.StampedLock()
    write = lock.try_convert_to_write(lock.try_optimistic_read())
    assert write and lock.is_write_locked() and lock.try_convert_to_write(write) == write
    read = lock.try_convert_to_read(write)
    assert read and not lock.is_write_locked() and lock.try_convert_to_read(read) == read
    other = lock.read_lock()
    assert lock.try_convert_to_write(read) == 0
    lock.unlock(other)
    write = lock.try_convert_to_write(read)
    assert write
    lock.unlock(write)
    assert lock.try_convert_to_write(read) == 0 and lock.try_convert_to_read(write) == 0
    read = lock.try_convert_to_read(lock.try_optimistic_read())
    lock.unlock(read)
    assert lock.readers == 0


def test_validated_optimistic_reads_see_no_incomplete_change():
    lock, point, wrong, stop = ungil.StampedLock(), [0, 0], [], threading.Event()

    def write():
        for number in range(500):
            stamp = lock.write_lock()
            point[0] = number
            point[1] = number
            lock.unlock_write(stamp)

    def read():
        while not stop.is_set():
            stamp = lock.try_optimistic_read()
            x, y = point
            if stamp and lock.validate(stamp) and x != y:
                wrong.append((x, y))

    readers = [start(read) for _ in range(2)]
    join([start(write) for _ in range(2)])
    stop.set()
    join(readers)
    assert not wrong


def test_striped():
    locks = ungil.StripedLock(16)
    assert len(locks) == 16 == len(list(locks))
    assert locks["a"] is locks["a"] and locks[1] is locks[1.0]
    assert len({id(locks[number]) for number in range(16)}) > 8
    seen = {}

    def work():
        for number in range(300):
            with locks[number % 7]:
                seen[number % 7] = seen.get(number % 7, 0) + 1

    join([start(work) for _ in range(4)])
    assert sum(seen.values()) == 1200
    with pytest.raises(TypeError):
        locks[[]]
    assert len(ungil.StripedLock(2**20)) == 2**20
    for bad in (0, -1, 2**20 + 1, 2**40):
        with pytest.raises(ValueError):
            ungil.StripedLock(bad)


def test_all_stripes():
    locks = ungil.StripedLock(8)
    with locks.all():
        assert all(lock.locked() for lock in locks)
        got = []
        join([start(lambda: got.append(locks["x"].acquire(False)))])
        assert got == [False]
    assert not any(lock.locked() for lock in locks)

    def work():
        for _ in range(50):
            with locks.all():
                pass

    join([start(work) for _ in range(4)])


def test_all_stripes_are_released_when_interrupted():
    locks = ungil.StripedLock(8)
    last = list(locks)[-1]
    last.acquire()

    def interrupt(*_):
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(KeyboardInterrupt):
            with locks.all():
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert [lock.locked() for lock in locks] == [False] * 7 + [True]
