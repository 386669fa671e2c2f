"""`Semaphore`, `Event`, `Latch`, `Barrier` and `Phaser`, against CPython's tests of `threading`."""

import gc
import threading
import time
import weakref

import pytest
from test_locks import TIMEOUT_S, join, start, wait_until

import ungil


def test_semaphore_counts():
    semaphore = ungil.Semaphore(2)
    assert semaphore.acquire() is True and semaphore.acquire(blocking=False) is True
    assert semaphore.acquire(False) is False and semaphore.acquire(timeout=0.005) is False
    assert semaphore.acquire(timeout=-1) is False
    semaphore.release(2)
    assert semaphore.value == 2
    with semaphore:
        assert semaphore.value == 1
    for error, call in [
        (ValueError, lambda: ungil.Semaphore(-1)),
        ((ValueError, OverflowError), lambda: ungil.Semaphore(2**64)),
        (ValueError, lambda: semaphore.release(0)),
        (ValueError, lambda: semaphore.acquire(n=0)),
        (ValueError, lambda: semaphore.acquire(False, timeout=1)),
        (ValueError, lambda: semaphore.acquire(timeout=float("nan"))),
        (TypeError, lambda: semaphore.acquire(timeout="x")),
    ]:
        with pytest.raises(error):
            call()
    assert semaphore.value == 2


def test_an_empty_semaphore_waits_for_the_first_release():
    semaphore, got = ungil.Semaphore(0), []
    threads = [start(lambda: got.append(semaphore.acquire(timeout=TIMEOUT_S))) for _ in range(6)]
    wait_until(lambda: semaphore.waiters == 6)
    semaphore.release(4)
    wait_until(lambda: len(got) == 4)
    assert semaphore.waiters == 2 and semaphore.value == 0
    semaphore.release(2)
    join(threads)
    assert got == [True] * 6


def test_bounded():
    semaphore = ungil.Semaphore(2, bounded=True)
    with pytest.raises(ValueError):
        semaphore.release()
    semaphore.acquire()
    with pytest.raises(ValueError):
        semaphore.release(2)
    semaphore.release()
    assert semaphore.value == 2
    with pytest.raises(ValueError):
        semaphore.acquire(n=3)


def test_a_request_for_many_permits_is_not_starved():
    semaphore, order = ungil.Semaphore(0), []

    def take(n):
        semaphore.acquire(n=n)
        order.append(n)

    threads = [start(take, 3)]
    wait_until(lambda: semaphore.waiters == 1)
    threads.append(start(take, 1))
    wait_until(lambda: semaphore.waiters == 2)
    for _ in range(3):
        assert semaphore.acquire(False) is False
        semaphore.release()
    wait_until(lambda: order == [3])
    semaphore.release()
    join(threads)
    assert order == [3, 1]


def test_a_timeout_lets_the_next_waiter_through():
    semaphore, got = ungil.Semaphore(1), []
    semaphore_waits = start(lambda: got.append(semaphore.acquire(timeout=0.2, n=2)))
    wait_until(lambda: semaphore.waiters == 1)
    second = start(lambda: got.append(semaphore.acquire(timeout=TIMEOUT_S)))
    join([semaphore_waits, second])
    assert sorted(got) == [False, True]


def test_semaphore_limits():
    semaphore, inside, most = ungil.Semaphore(3), [0], [0]
    guard = ungil.Lock()

    def work():
        for number in range(100):
            if number % 3 == 0 and not semaphore.acquire(timeout=0.0005):
                continue
            elif number % 3:
                semaphore.acquire()
            with guard:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            with guard:
                inside[0] -= 1
            semaphore.release()

    join([start(work) for _ in range(10)])
    assert most[0] <= 3 and semaphore.value == 3 and semaphore.waiters == 0


def test_event():
    event, got = ungil.Event(), []
    assert (
        not event.is_set()
        and event.wait(0) is False
        and event.wait(0.005) is False
        and event.wait(-1) is False
    )
    threads = [start(lambda: got.append(event.wait(TIMEOUT_S))) for _ in range(5)]
    wait_until(lambda: event.waiters == 5)
    event.set()
    event.clear()
    join(threads)
    assert got == [True] * 5 and not event.is_set()
    event.set()
    assert event.is_set() and event.wait() is True
    assert ": set at" in repr(event)
    with pytest.raises(OverflowError):
        ungil.Event().wait(1e300)


def test_latch():
    latch, got = ungil.Latch(3), []
    threads = [start(lambda: got.append(latch.wait(TIMEOUT_S))) for _ in range(4)]
    wait_until(lambda: latch.waiters == 4)
    assert latch.wait(0.005) is False
    assert latch.count_down() == 2 and latch.count == 2
    assert latch.count_down(5) == 0 and latch.count_down() == 0
    join(threads)
    assert got == [True] * 4 and latch.wait() is True
    assert ungil.Latch(0).wait(0)
    for bad in (0, -1):
        with pytest.raises(ValueError):
            latch.count_down(bad)
    with pytest.raises(ValueError):
        ungil.Latch(-1)


N = 5


def run_in_threads(work, n=N):
    results = []

    def run():
        try:
            results.append(work())
        except BaseException as error:
            results.append(type(error))

    join([start(run) for _ in range(n)])
    return results


def test_barrier_is_reusable():
    barrier, log = ungil.Barrier(N), [[] for _ in range(20)]

    def work():
        for number in range(20):
            log[number].append(1)
            barrier.wait()
            assert len(log[number]) == N

    assert run_in_threads(work) == [None] * N
    assert barrier.parties == N and barrier.n_waiting == 0 and not barrier.broken


def test_each_party_gets_a_different_index():
    barrier = ungil.Barrier(N)
    assert sorted(run_in_threads(barrier.wait)) == list(range(N))
    assert ungil.Barrier(1).wait() == 0


def test_the_action_is_called_once_before_any_thread_passes():
    calls = []
    barrier = ungil.Barrier(N, lambda: calls.append(1))
    seen = run_in_threads(lambda: (barrier.wait(), len(calls))[1])
    assert seen == [1] * N


def test_a_raising_action_breaks_the_barrier():
    barrier = ungil.Barrier(N, lambda: 1 / 0)
    results = run_in_threads(barrier.wait)
    assert results.count(ZeroDivisionError) == 1
    assert results.count(threading.BrokenBarrierError) == N - 1
    assert barrier.broken
    barrier.reset()
    assert not barrier.broken


def test_abort_and_reset():
    barrier = ungil.Barrier(2)
    for method, after in [(barrier.abort, True), (barrier.reset, False)]:
        got = []

        def work():
            try:
                barrier.wait()
            except threading.BrokenBarrierError:
                got.append("broken")

        thread = start(work)
        wait_until(lambda: barrier.n_waiting == 1)
        method()
        join([thread])
        assert got == ["broken"] and barrier.broken is after
        if after:
            with pytest.raises(threading.BrokenBarrierError):
                barrier.wait()
            barrier.reset()
    assert sorted(run_in_threads(barrier.wait, 2)) == [0, 1]


def test_a_timeout_breaks_the_barrier_for_all():
    barrier = ungil.Barrier(3, timeout=0.05)
    assert run_in_threads(barrier.wait, 2) == [threading.BrokenBarrierError] * 2
    assert barrier.broken
    barrier.reset()
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait(0.005)
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()


def test_a_timeout_during_the_action_does_not_break_the_barrier():
    barrier = ungil.Barrier(2, lambda: time.sleep(0.2))
    first = []
    thread = start(lambda: first.append(barrier.wait(0.1)))
    wait_until(lambda: barrier.n_waiting == 1)
    assert barrier.wait() == 1
    join([thread])
    assert first == [0]


def test_an_action_that_aborts():
    barrier = ungil.Barrier(2, lambda: barrier.abort())
    assert run_in_threads(barrier.wait, 2) == [threading.BrokenBarrierError] * 2


def test_barrier_arguments_and_cycles():
    for bad in (0, -1):
        with pytest.raises(ValueError):
            ungil.Barrier(bad)
    with pytest.raises(TypeError):
        ungil.Barrier(2, timeout="x")

    class Holder:
        def act(self):
            pass

    holder = Holder()
    holder.barrier = ungil.Barrier(2, holder.act)
    holder.phaser = ungil.Phaser(2, lambda *_: holder)
    ref = weakref.ref(holder)
    del holder
    gc.collect()
    assert ref() is None


def test_phaser_advances_when_all_have_arrived():
    phaser, log = ungil.Phaser(3), [[] for _ in range(10)]

    def work():
        for number in range(10):
            log[number].append(1)
            assert phaser.arrive_and_await_advance() == number + 1
            assert len(log[number]) == 3

    assert run_in_threads(work, 3) == [None] * 3
    assert (
        phaser.phase == 10
        and phaser.parties == 3
        and phaser.unarrived == 3
        and not phaser.terminated
    )


def test_parties_register_and_deregister():
    phaser = ungil.Phaser()
    with pytest.raises(RuntimeError):
        phaser.arrive()
    assert phaser.register() == 0 and phaser.register(2) == 0
    assert phaser.parties == 3 and phaser.arrived == 0
    assert phaser.arrive() == 0 and phaser.arrived == 1
    assert phaser.arrive_and_deregister() == 0 and phaser.phase == 0
    assert phaser.arrive_and_deregister() == 0 and phaser.phase == 1
    assert phaser.parties == 1
    assert phaser.await_advance(0) == 1
    with pytest.raises(TimeoutError):
        phaser.await_advance(1, 0.005)
    assert phaser.arrive_and_await_advance() == 2
    phaser.arrive_and_deregister()
    assert phaser.terminated and phaser.phase < 0
    assert phaser.register() < 0 and phaser.arrive() < 0 and phaser.arrive_and_await_advance() < 0
    assert phaser.await_advance(2) < 0
    for bad in (0, -1):
        with pytest.raises(ValueError):
            phaser.register(bad)
    with pytest.raises(ValueError):
        ungil.Phaser(70_000)
    with pytest.raises(ValueError):
        ungil.Phaser(65_535).register()


def test_on_advance_terminates_the_phaser():
    calls = []

    def on_advance(phase, parties):
        calls.append((phase, parties))
        return phase == 2

    phaser = ungil.Phaser(2, on_advance)
    results = run_in_threads(lambda: [phaser.arrive_and_await_advance() for _ in range(4)], 2)
    assert calls == [(0, 2), (1, 2), (2, 2)]
    assert all(row[:2] == [1, 2] and row[2] < 0 and row[3] < 0 for row in results)
    assert phaser.terminated


def test_on_advance_that_raises_terminates():
    phaser = ungil.Phaser(2, lambda *_: 1 / 0)
    results = run_in_threads(phaser.arrive_and_await_advance, 2)
    assert ZeroDivisionError in results and phaser.terminated


def test_termination_wakes_all_waiters():
    phaser, got = ungil.Phaser(2), []
    thread = start(lambda: got.append(phaser.arrive_and_await_advance()))
    wait_until(lambda: phaser.arrived == 1)
    phaser.force_termination()
    join([thread])
    assert got[0] < 0


def test_early_arrivals_are_kept_for_their_phase():
    # Parties that do not wait may be one phase ahead of those that do.
    phaser = ungil.Phaser(2)

    def run():
        for _ in range(300):
            phaser.await_advance(phaser.arrive(), TIMEOUT_S)

    assert run_in_threads(run, 2) == [None, None]
    assert phaser.phase == 300
