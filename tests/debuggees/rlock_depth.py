"""RLocks held once, twice and five times, by `with` and `acquire()`; owner and depth are fields."""
import threading

import look

ONE, TWO, FIVE = threading.RLock(), threading.RLock(), threading.RLock()


def deeper(lock, levels):
    with lock:
        if levels > 1:
            deeper(lock, levels - 1)
        else:
            look.arrived()
            look.stay()


def mixed(lock):
    lock.acquire()
    deeper(lock, 1)


def want(lock):
    with lock:
        pass


for name, lock, depth, take in (("one", ONE, 1, (deeper, ONE, 1)), ("two", TWO, 2, (mixed, TWO)),
                                ("five", FIVE, 5, (deeper, FIVE, 5))):
    owner = look.thread(f"owner-{name}", *take)
    look.has_arrived(owner)
    look.holds(owner, lock, depth)
    look.waits(look.thread(f"waiter-{name}", want, lock), lock, owner)
look.tell()
