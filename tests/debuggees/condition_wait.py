"""A Condition: one thread is in `wait()` and holds nothing, one holds the lock, one waits for it."""
import threading

import look

C = threading.Condition()


def wait():
    with C:
        look.arrived()
        C.wait()


def hold():
    with C:
        look.arrived()
        look.stay()


def want():
    with C:
        pass


sleeper = look.thread("sleeper", wait)
look.has_arrived(sleeper)
holder = look.thread("holder", hold)
look.has_arrived(holder)  # it has the lock, so the sleeper released it
look.waits(sleeper, C)
look.holds(holder, C._lock)
look.holds(holder, C, confidence="unknown", must=False)
look.waits(look.thread("waiter", want), C._lock, holder, also=[C])
look.tell()
