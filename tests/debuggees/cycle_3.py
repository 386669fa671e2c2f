"""A deadlock: three threads, three Locks."""
import threading

import look

COUNT = 3
LOCKS = [threading.Lock() for _ in range(COUNT)]


def take(number):
    with LOCKS[number]:
        look.meet(COUNT)
        with LOCKS[(number + 1) % COUNT]:
            pass


threads = [look.thread(f"philosopher-{n}", take, n) for n in range(COUNT)]
for number, philosopher in enumerate(threads):
    after = (number + 1) % COUNT
    look.holds(philosopher, LOCKS[number])
    look.waits(philosopher, LOCKS[after], threads[after])
look.deadlock(*threads)
look.tell()
