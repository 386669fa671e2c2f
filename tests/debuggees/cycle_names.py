"""A deadlock of threads whose names, truncated by the kernel to 15 bytes, end inside a character."""
import threading

import look

LOCKS = [threading.Lock() for _ in range(2)]


def take(number):
    with LOCKS[number]:
        look.meet(2)
        with LOCKS[1 - number]:
            pass


threads = [look.thread(name, take, n) for n, name in enumerate(["fourteen bytes" + "ü", "スレッド-働く糸"])]
for number, one in enumerate(threads):
    # CPython 3.14 sets this name itself.
    with open(f"/proc/self/task/{one.native_id}/comm", "wb") as comm:
        comm.write(one.name.encode()[:15])
    look.holds(one, LOCKS[number])
    look.waits(one, LOCKS[1 - number], threads[1 - number])
look.deadlock(*threads)
look.tell()
