"""Far too large sizes, lengths, counts and timeouts work or are rejected at once.

Nothing starts to count to 2**64.
"""

import pytest
from processes import run_script

SETUP = """
import os, tempfile, threading, time, traceback
import ungil

file = tempfile.NamedTemporaryFile()
file.write(bytes(64)); file.flush()
pool = ungil.ThreadPool(2)

def held(lock):
    lock.acquire()
    return lock

def stopped(index, *rest):
    raise LookupError

def late(call, *arguments):
    # Starts to wait and is woken meanwhile.
    thread = threading.Thread(target=call, args=arguments, daemon=True)
    thread.start()
    return thread
"""

HUGE = [2**40, 2**62, 2**63 - 1, 2**63, 2**64, 2**64 + 1, 10**400]
# Numbers of objects that cannot fit in memory. 2**40 might fit, so it is not tried.
LONG = [2**48, 2**62, 2**63 - 1, 2**63, 2**64, 10**400]

SIZES = {
    "ungil.ThreadPool(N)": HUGE,
    "pool.parallel_for(stopped, range(N))": HUGE,
    "pool.parallel_for(stopped, range(N), grain=N)": HUGE,
    "pool.parallel_for(abs, range(9), grain=N)": HUGE,
    "pool.parallel_for(abs, range(-N, -N + 9))": HUGE,
    "pool.parallel_for(stopped, range(0, 3 * N, N // 2))": HUGE,
    "pool.for_each(stopped, range(N))": HUGE,
    "pool.for_each(abs, range(N, N + 9))": HUGE,
    "pool.for_each(pow, range(N), [1, 2])": HUGE,
    "pool.map(abs, range(N))": LONG,
    "list(pool.map(abs, range(N, N + 9)))": HUGE,
    "list(pool.map(abs, range(9), chunksize=N))": HUGE,
    "list(pool.map(abs, range(9), buffersize=N))": HUGE,
    "list(pool.map(abs, range(9), timeout=N))": HUGE,
    "pool.reduce(stopped, range(N), 0)": HUGE,
    "pool.reduce(max, range(9), 0, grain=N)": HUGE,
    "pool.reduce(max, range(N, N + 9), 0)": HUGE,
    "pool.submit(int).result(timeout=N)": HUGE,
    "ungil.Array(N)": LONG,
    "ungil.Array(N, 'q')": LONG,
    "ungil.Array(N, 'd')": LONG,
    "ungil.Array([1])[N]": HUGE,
    "ungil.Array([1]).index(1, -N, N)": HUGE,
    "ungil.AppendList([1])[N]": HUGE,
    "ungil.AppendList([1])[-N:N]": HUGE,
    "ungil.MappedArray(file.name, 'd', N)": HUGE,
    "ungil.MappedArray(file.name, 'd', None, N)": HUGE,
    "ungil.AtomicInt(N)": HUGE,
    "ungil.AtomicInt(1).add_and_get(N)": HUGE,
    "ungil.Adder().add(N)": HUGE,
    "ungil.ConcurrentCounter().add(1, N)": HUGE,
    "ungil.ConcurrentCounter({1: N})": HUGE,
    "ungil.ConcurrentCounter('a').most_common(N)": HUGE,
    "ungil.ConcurrentDict({1: 1}).reduce(max, max, 0, workers=N)": HUGE,
    "ungil.Queue(N).put(1)": HUGE,
    "ungil.Queue(-N).put(1)": HUGE,
    "ungil.LifoQueue(N).put(1)": HUGE,
    "ungil.PriorityQueue(N).put(1)": HUGE,
    "[(q.put(1), q.get_many(N)) for q in [ungil.Queue()]]": HUGE,
    "[(q.put(1), q.get(timeout=N)) for q in [ungil.Queue()]]": HUGE,
    "[(late(lambda: (time.sleep(0.01), q.put(1))), q.get(timeout=N)) for q in [ungil.Queue()]]": HUGE,
    "[(q.put(1, 0), q.get(timeout=N)) for q in [ungil.DelayQueue()]]": HUGE,
    "ungil.DelayQueue().put(1, N)": HUGE,
    "[(q.put(1, N), late(lambda: (time.sleep(0.01), q.put(2, 0))), q.get(timeout=N)) for q in [ungil.DelayQueue()]]": HUGE[
        :5
    ],
    "[(late(e.exchange, 1), e.exchange(2, timeout=N)) for e in [ungil.Exchanger()]]": HUGE,
    "[late(lambda: (time.sleep(0.01), l.release())) and l.acquire(timeout=N) for l in [held(ungil.Lock())]]": HUGE,
    "ungil.RWLock().acquire_read(timeout=N)": HUGE,
    "ungil.RWLock().acquire_write(timeout=N)": HUGE,
    "ungil.StampedLock().read_lock(timeout=N)": HUGE,
    "ungil.StripedLock(N)": HUGE,
    "ungil.Semaphore(N)": HUGE,
    "ungil.Semaphore(1).release(N)": HUGE,
    "ungil.Semaphore(1).acquire(timeout=0.01, n=N)": HUGE,
    "ungil.Latch(N)": HUGE,
    "ungil.Latch(1).count_down(N)": HUGE,
    "[(e.set(), e.wait(N)) for e in [ungil.Event()]]": HUGE,
    "[(late(lambda: (time.sleep(0.01), e.set())), e.wait(N)) for e in [ungil.Event()]]": HUGE,
    "ungil.Barrier(N)": HUGE,
    "ungil.Barrier(1, timeout=N).wait()": HUGE,
    "ungil.Phaser(N)": HUGE,
    "ungil.Phaser(1).register(N)": HUGE,
}

RUN = """
refusals = (OverflowError, ValueError, MemoryError, IndexError, OSError)

def attempt(call, code, n, done):
    try:
        eval(code, globals(), {"N": n})
    except refusals as error:
        if not str(error):
            print(f"{call}, N about 2**{n.bit_length()}: {type(error).__name__} without a message")
    except LookupError:
        pass
    except BaseException as error:
        print(f"{call}, N about 2**{n.bit_length()}: {type(error).__name__}: {error}")
    done.set()

for call, sizes in SIZES.items():
    code = compile(call, call, "eval")
    for n in sizes:
        done = threading.Event()
        threading.Thread(target=attempt, args=(call, code, n, done), daemon=True).start()
        # No call has work to do: only code that counts to N would exceed the deadline.
        if not done.wait(60):
            print(f"{call}, N about 2**{n.bit_length()}: never begins", flush=True)
            os._exit(1)
os._exit(0)
"""


def test_huge_sizes_work_or_are_rejected_at_once():
    done = run_script(SETUP + f"\nSIZES = {SIZES!r}\n" + RUN)
    assert done.stdout == ""


@pytest.mark.parametrize(
    "call",
    ["parallel_for(abs, range(2**64))", "map(abs, range(2**63))", "reduce(max, range(2**64), 0)"],
)
def test_too_long_ranges_are_rejected(call):
    run_script(
        f"""
        import ungil
        try:
            ungil.ThreadPool(2).{call}
        except OverflowError as error:
            assert "2**63" in str(error)
        else:
            assert False
        """
    )


def test_ranges_beyond_64_bits_are_not_expanded():
    run_script(
        """
        import ungil
        pool = ungil.ThreadPool(2)
        low = 2**70
        assert list(pool.map(int, range(low, low + 50, 7))) == list(range(low, low + 50, 7))
        assert list(pool.map(int, range(low, low - 50, -7))) == list(range(low, low - 50, -7))
        seen = ungil.Adder()
        def until(n):
            seen.add(1)
            if n >= low + 1000:
                raise StopAsyncIteration
        try:
            pool.parallel_for(until, range(low, low + 2**62))
        except StopAsyncIteration:
            assert seen.sum() > 0
        """
    )


def test_a_striped_lock_creates_its_locks_on_demand():
    done = run_script(
        """
        import resource, ungil
        ungil.StripedLock(4)["a"]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        locks = [ungil.StripedLock(10**6) for _ in range(3)]
        for key in range(100):
            with locks[0][key]:
                assert locks[0][key].locked()
        assert len(locks[0]) == 10**6 and "held=0/1000000" in repr(locks[0])
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        # A StripedLock that created all its locks at once took 580 MB.
        assert grown < 100_000, f"{grown} KiB"
        print("done")
        """
    )
    assert done.stdout == "done\n"
