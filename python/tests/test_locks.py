"""`Lock` and `RLock`, against the specification of CPython's own lock tests."""

import gc
import signal
import threading
import time
import weakref

import deadlines
import pytest

import ungil

TIMEOUT_S = 60.0


def start(target, *args):
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def join(threads):
    deadlines.join(*threads)


def wait_until(condition):
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.0005)


@pytest.fixture(
    params=[ungil.Lock, lambda: ungil.Lock(fair=True), ungil.RLock, lambda: ungil.RLock(fair=True)]
)
def make(request):
    return request.param


@pytest.fixture(params=[ungil.Lock, lambda: ungil.Lock(fair=True)])
def make_plain(request):
    return request.param


@pytest.fixture(params=[ungil.RLock, lambda: ungil.RLock(fair=True)])
def make_reentrant(request):
    return request.param


def test_acquire_and_release(make):
    lock = make()
    assert lock.acquire() is True
    assert lock.locked()
    lock.release()
    assert not lock.locked()
    assert lock.acquire(blocking=False) is True
    lock.release()
    assert lock.acquire(True, 5) is True
    lock.release()


def test_another_thread_cannot_acquire_a_held_lock(make):
    lock, got = make(), []
    with lock:
        join([start(lambda: got.append(lock.acquire(False)))])
        join([start(lambda: got.append(lock.acquire(timeout=0.01)))])
        join([start(lambda: got.append(lock.acquire(timeout=0)))])
    assert got == [False, False, False]
    assert lock.waiters == 0


def test_arguments_are_those_of_threading(make):
    lock = make()
    for error, args in [
        (ValueError, (0, 1)),
        (ValueError, (True, -100)),
        (OverflowError, (True, 1e100)),
        (OverflowError, (True, threading.TIMEOUT_MAX * 2)),
        (OverflowError, (True, float("inf"))),
        (ValueError, (True, float("nan"))),
        (TypeError, (True, "soon")),
    ]:
        with pytest.raises(error):
            lock.acquire(*args)
    assert not lock.locked()
    lock.acquire(timeout=threading.TIMEOUT_MAX)
    lock.release()
    lock.acquire(timeout=-1)
    lock.release()
    lock.acquire(0)
    lock.release()


def test_releasing_a_free_lock_is_an_error(make):
    lock = make()
    with pytest.raises(RuntimeError):
        lock.release()
    with lock:
        pass
    with pytest.raises(RuntimeError):
        lock.release()
    with pytest.raises(RuntimeError):
        lock.__exit__(None, None, None)
    with lock:
        pass


def test_with_passes_exceptions_on_and_releases(make):
    lock = make()
    with pytest.raises(ZeroDivisionError):
        with lock:
            assert lock.locked()
            1 / 0
    assert not lock.locked()


def test_enter_returns_true(make):
    with make() as entered:
        assert entered is True


def test_repr_says_whether_it_is_held(make):
    lock = make()
    assert repr(lock).startswith("<unlocked ungil.")
    with lock:
        assert repr(lock).startswith("<locked ungil.")


def test_owner_and_waiters(make):
    lock = make()
    assert lock.owner is None and lock.waiters == 0
    with lock:
        assert lock.owner == threading.get_ident()
        threads = [start(lambda: lock.acquire() and lock.release()) for _ in range(3)]
        wait_until(lambda: lock.waiters == 3)
    join(threads)
    assert lock.owner is None and lock.waiters == 0


def test_any_thread_may_release_a_plain_lock(make_plain):
    lock = make_plain()
    lock.acquire()
    join([start(lock.release)])
    assert lock.acquire(False)


def test_weakref_subclass_and_collection(make):
    lock = make()
    ref = weakref.ref(lock)
    assert gc.is_tracked(lock)
    del lock
    gc.collect()
    assert ref() is None

    class Mine(type(make())):
        pass

    with Mine() as entered:
        assert entered
    assert "Mine object" in repr(Mine())


@pytest.mark.parametrize("threads", [2, 8])
def test_mutual_exclusion(make, threads):
    lock, rounds, seen = make(), 400, [0]

    def work():
        for _ in range(rounds):
            with lock:
                before = seen[0]
                if before % 97 == 0:
                    time.sleep(0)
                seen[0] = before + 1

    join([start(work) for _ in range(threads)])
    assert seen == [threads * rounds]


def test_two_hundred_threads(make):
    lock, seen = make(), [0]

    def work():
        for _ in range(5):
            with lock:
                seen[0] += 1

    join([start(work) for _ in range(200)])
    assert seen == [1000] and lock.waiters == 0 and not lock.locked()


def test_a_fair_lock_is_granted_in_order_of_arrival():
    lock, order, threads = ungil.Lock(fair=True), [], []

    def work(number):
        with lock:
            order.append(number)

    with lock:
        for number in range(20):
            threads.append(start(work, number))
            wait_until(lambda: lock.waiters == number + 1)
    join(threads)
    assert order == list(range(20))


def test_the_former_holder_does_not_overtake_at_a_fair_lock():
    lock, order = ungil.Lock(fair=True), []
    lock.acquire()
    thread = start(lambda: (lock.acquire(), order.append("waiter"), lock.release()))
    wait_until(lambda: lock.waiters == 1)
    lock.release()
    with lock:
        order.append("former")
    join([thread])
    assert order == ["waiter", "former"]


def test_a_greedy_thread_does_not_starve_others(make):
    lock, stop = make(), threading.Event()

    def greedy():
        while not stop.is_set():
            with lock:
                pass

    threads = [start(greedy), start(greedy)]
    try:
        for _ in range(50):
            assert lock.acquire(timeout=TIMEOUT_S)
            lock.release()
    finally:
        stop.set()
    join(threads)


def test_many_timeouts_leave_the_lock_usable(make):
    lock, stop, seen = make(), threading.Event(), [0]

    def work(number):
        while not stop.is_set():
            if lock.acquire(timeout=0.0001 * (number % 4)):
                seen[0] += 1
                if number % 3 == 0:
                    time.sleep(0.0002)
                lock.release()

    threads = [start(work, number) for number in range(16)]
    wait_until(lambda: seen[0] >= 1000)
    stop.set()
    join(threads)
    assert not lock.locked() and lock.waiters == 0
    assert lock.acquire(timeout=0)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs signals")
def test_a_raising_signal_handler_removes_the_waiter(make):
    lock, held, go = make(), threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            go.wait(TIMEOUT_S)

    def interrupt(*_):
        raise KeyboardInterrupt

    thread = start(hold)
    held.wait()
    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(20):
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.002)
                lock.acquire()
            assert lock.waiters == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        go.set()
    join([thread])
    assert lock.acquire(timeout=TIMEOUT_S)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs signals")
def test_a_returning_signal_handler_does_not_end_the_wait(make):
    lock, calls = make(), []
    former = signal.signal(signal.SIGALRM, lambda *_: calls.append(1))
    ready, go = threading.Event(), threading.Event()

    def hold():
        with lock:
            ready.set()
            go.wait(TIMEOUT_S)

    thread = start(hold)
    ready.wait()
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        begin = time.monotonic()
        assert not lock.acquire(timeout=0.1)
        assert time.monotonic() - begin >= 0.1
        assert calls
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        go.set()
    join([thread])


def test_interrupts_under_contention_lose_nothing(make):
    lock, stop, seen = make(), threading.Event(), [0]

    def work():
        while not stop.is_set():
            with lock:
                seen[0] += 1

    class Stop(Exception):
        pass

    def interrupt(*_):
        raise Stop

    threads = [start(work) for _ in range(3)]
    former = signal.signal(signal.SIGALRM, interrupt)
    raised = 0
    try:
        for _ in range(100):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0005)
                while True:
                    if lock.acquire():
                        lock.release()
            except Stop:
                raised += 1
                # The signal may have arrived between acquire and release.
                if lock.owner == threading.get_ident():
                    lock.release()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        stop.set()
    join(threads)
    assert raised == 100
    assert lock.acquire(timeout=TIMEOUT_S)


def test_reentrance(make_reentrant):
    lock = make_reentrant()
    for depth in range(1, 4):
        assert lock.acquire()
        assert lock.depth == depth and lock._recursion_count() == depth
    got = []
    join([start(lambda: got.append(lock.acquire(False)))])
    for _ in range(3):
        lock.release()
    join([start(lambda: got.append(lock.acquire(False)))])
    assert got == [False, True]


def test_only_its_owner_releases_an_rlock(make_reentrant):
    lock, errors = make_reentrant(), []

    def release():
        try:
            lock.release()
        except RuntimeError as error:
            errors.append(str(error))

    with lock:
        join([start(release)])
        assert lock._is_owned()
    assert errors == ["cannot release un-acquired lock"]
    with pytest.raises(RuntimeError):
        lock._release_save()


def test_release_save_and_acquire_restore_keep_the_depth(make_reentrant):
    lock = make_reentrant()
    lock.acquire()
    lock.acquire()
    state = lock._release_save()
    assert not lock.locked()
    lock._acquire_restore(state)
    assert lock.depth == 2


def test_condition(make):
    condition, items, got = threading.Condition(make()), [], []

    def consume():
        for _ in range(100):
            with condition:
                assert condition.wait_for(lambda: items, TIMEOUT_S)
                got.append(items.pop())

    threads = [start(consume) for _ in range(4)]
    for number in range(400):
        with condition:
            items.append(number)
            condition.notify()
    join(threads)
    assert sorted(got) == list(range(400))


def test_a_condition_needs_its_lock(make):
    condition = threading.Condition(make())
    with pytest.raises(RuntimeError):
        condition.notify()
    with pytest.raises(RuntimeError):
        condition.wait(0)
    with condition:
        assert condition.wait(0.001) is False


def test_condition_wait_releases_a_nested_rlock(make_reentrant):
    condition, came = threading.Condition(make_reentrant()), []

    def come():
        with condition:
            came.append(1)
            condition.notify_all()

    with condition, condition:
        thread = start(come)
        assert condition.wait(TIMEOUT_S)
    join([thread])
    assert came == [1]
