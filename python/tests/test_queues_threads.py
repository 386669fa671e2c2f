"""Many threads at one queue, with signals, forks and the exit of the program."""

import collections
import itertools
import os
import queue
import signal
import textwrap
import threading
import time

import pytest
from deadlines import join, run_code, wait_for_child
from test_queues import KINDS, TIMEOUT_S, BackgroundCall, start_waiting, wait_until_asleep

from ungil import DelayQueue, Exchanger, PriorityQueue, Queue


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.mark.parametrize("maxsize", [0, 1, 2, 7, 100, 5000])
@pytest.mark.parametrize("shape", ["plain", "timeouts", "polling", "many"])
def test_nothing_is_lost_duplicated_or_reordered(maxsize, shape):
    q = Queue(maxsize)
    items, producers, consumers = 1500, 4, 3

    def persistently(call, refusal):
        while True:
            try:
                return call()
            except refusal:
                time.sleep(0)

    def produce(who):
        for i in range(0, items, 5):
            batch = [(who, i + k) for k in range(5)]
            if shape == "many":
                while batch:
                    batch = batch[q.put_many(batch) :]
            for item in batch:
                match shape:
                    case "plain":
                        q.put(item)
                    case "timeouts":
                        persistently(lambda: q.put(item, timeout=0.0005), queue.Full)
                    case _:
                        persistently(lambda: q.put_nowait(item), queue.Full)

    def consume():
        got = []
        while True:
            match shape:
                case "plain":
                    some = [q.get()]
                case "timeouts":
                    some = [persistently(lambda: q.get(timeout=0.0005), queue.Empty)]
                case "polling":
                    some = [persistently(q.get_nowait, queue.Empty)]
                case "many":
                    some = q.get_many(3)
            if maxsize:
                assert q.qsize() <= maxsize
            if None in some:
                for _ in range(some.count(None) - 1):
                    q.put(None)
                return got + [item for item in some if item]
            got += some

    getters = [BackgroundCall(consume) for _ in range(consumers)]
    putters = [BackgroundCall(produce, who) for who in range(producers)]
    for putter in putters:
        putter.result()
    for _ in getters:
        q.put(None)
    got = [getter.result() for getter in getters]
    for each in got:
        for who in range(producers):
            mine = [n for w, n in each if w == who]
            assert mine == sorted(mine), "reordered"
    counted = collections.Counter(itertools.chain.from_iterable(got))
    assert len(counted) == items * producers and set(counted.values()) == {1}
    assert q.empty()


def test_the_bound_is_never_exceeded(kind):
    """The item is certainly in the queue from the return of its put to the start of its get."""
    bound = 3
    q = kind(bound)
    lock, inside, most = threading.Lock(), 0, 0

    def work(me):
        nonlocal inside, most
        for _ in range(300):
            try:
                q.put(me, timeout=0.001)
            except queue.Full:
                continue
            with lock:
                inside += 1
                most = max(most, inside)
            # Subtracted before the get begins.
            with lock:
                inside -= 1
            q.get()

    runs = [BackgroundCall(work, n) for n in range(6)]
    for r in runs:
        r.result()
    assert 0 < most <= bound and q.empty()


def test_polling_an_empty_queue_costs_no_memory():
    q = Queue()
    for _ in range(200_000):
        try:
            q.get_nowait()
        except queue.Empty:
            pass
    q.put(1)
    assert q.get_nowait() == 1


def test_shutdown_during_puts_and_gets(kind):
    for immediate in (False, True):
        q = kind(8)

        def put(who):
            done = []
            try:
                for i in itertools.count():
                    q.put((i, who))
                    done.append((i, who))
            except queue.ShutDown:
                return done

        def get():
            got = []
            try:
                while True:
                    got.append(q.get())
            except queue.ShutDown:
                return got

        putters = [BackgroundCall(put, n) for n in range(3)]
        getters = [BackgroundCall(get) for _ in range(2)]
        time.sleep(0.01)
        q.shutdown(immediate)
        put_in = set(itertools.chain.from_iterable(p.result() for p in putters))
        got = list(itertools.chain.from_iterable(g.result() for g in getters))
        assert len(set(got)) == len(got)
        assert set(got) <= put_in
        if not immediate:
            assert set(got) == put_in
        assert q.unfinished_tasks == (len(put_in) if not immediate else len(got))


def interrupt_when_asleep():
    main = threading.main_thread()

    def work():
        wait_until_asleep(main)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "make",
    [
        lambda kind: kind().get,
        lambda kind: lambda q=kind(1): (q.put(1), q.put(2)),
        lambda kind: lambda q=kind(): (q.put(1), q.join()),
        lambda kind: DelayQueue().get,
        lambda kind: lambda: Exchanger().exchange(1),
    ],
    ids=["get", "put", "join", "delay", "exchange"],
)
def test_ctrl_c(kind, make):
    call = make(kind)
    with pytest.raises(KeyboardInterrupt):
        thread = interrupt_when_asleep()
        # The signal may arrive before the thread sleeps; then it is raised there.
        call()
    join(thread)


def test_an_interrupted_getter_leaves_the_item_to_another(kind):
    q = kind()
    with pytest.raises(KeyboardInterrupt):
        thread = interrupt_when_asleep()
        q.get()
    join(thread)
    other = start_waiting(q.get)
    q.put(1)
    assert other.result() == 1


def test_signal_handlers_run_while_waiting(kind):
    q = kind()
    before = signal.signal(signal.SIGUSR1, lambda *_: q.put(5))
    try:
        thread = threading.Thread(
            target=lambda: (
                wait_until_asleep(threading.main_thread()),
                os.kill(os.getpid(), signal.SIGUSR1),
            )
        )
        thread.start()
        assert q.get(timeout=TIMEOUT_S) == 5
        join(thread)
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork(kind):
    q = kind(2)
    q.put(1)
    full = kind(1)
    full.put(1)
    empty = kind()
    waiters = [start_waiting(full.put, 2), start_waiting(empty.get)]
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            # The waiters of the parent do not exist here.
            assert q.get() == 1
            assert full.get() == 1 and full.empty()
            empty.put(3)
            assert empty.get(timeout=1) == 3
            consumer = start_waiting(empty.get)
            empty.put(4)
            assert consumer.result() == 4
            code = 0
        finally:
            os._exit(code)
    assert wait_for_child(pid) == 0
    full.get()
    empty.put(5)
    assert waiters[1].result() == 5
    waiters[0].result()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_during_a_comparison():
    q = PriorityQueue()
    inside, go_on = threading.Event(), threading.Event()

    class Slow(int):
        def __lt__(self, other):
            inside.set()
            go_on.wait(TIMEOUT_S)
            return int(self) < int(other)

    q.put(Slow(1))
    putter = BackgroundCall(q.put, Slow(2))
    assert inside.wait(TIMEOUT_S)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            q.get_nowait()
        except RuntimeError:
            code = 0
        finally:
            os._exit(code)
    assert wait_for_child(pid) == 0
    go_on.set()
    putter.result()
    assert q.qsize() == 2


@pytest.mark.parametrize("what", ["blocked", "busy"])
def test_the_program_ends_with_threads_at_queues(what):
    program = f"""
        import threading, ungil
        q, full, d, e = ungil.Queue(2), ungil.LifoQueue(1), ungil.DelayQueue(), ungil.Exchanger()
        p = ungil.PriorityQueue()
        full.put(1)
        started = threading.Semaphore(0)
        def forever(call):
            started.release()
            while True:
                call()
        if {what!r} == "blocked":
            calls = [q.get, lambda: full.put(1), d.get, lambda: e.exchange(1), p.get]
        else:
            calls = [lambda: (q.put(1), q.get()), lambda: (p.put([1]), p.get()), lambda: (d.put(1), d.get())] * 2
        for call in calls:
            threading.Thread(target=forever, args=(call,), daemon=True).start()
        for _ in calls:
            started.acquire()
        print("end")
    """
    done = run_code(textwrap.dedent(program))
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr
