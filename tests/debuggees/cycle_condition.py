"""A deadlock through a Condition's own lock. A third thread is in `wait()` and not part of it."""
import threading

import look

C, L = threading.Condition(), threading.Lock()


def sleep():
    with C:
        look.arrived()
        C.wait()


def inside():
    with C:
        look.meet(3)
        with L:
            pass


def outside():
    with L:
        look.meet(3)
        with C:
            pass


sleeper = look.thread("sleeper", sleep)
look.has_arrived(sleeper)
look.until(lambda: C._waiters, "a waiter")
one, two = look.thread("inside", inside), look.thread("outside", outside)
look.waits(sleeper, C)
look.holds(one, C._lock)
look.holds(one, C, confidence="unknown", must=False)
look.holds(two, L)
look.waits(one, L, two)
look.waits(two, C._lock, one, also=[C])
look.deadlock(one, two)
look.tell()
