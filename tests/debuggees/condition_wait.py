"""A Condition: one sleeps in `wait()` inside its `with` and holds nothing, one is inside for true, one wants in."""
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
look.has_arrived(holder)  # it got in: the sleeper has let go
look.waits(sleeper, C)
look.holds(holder, C._lock)
look.holds(holder, C, confidence="unknown", must=False)
look.waits(look.thread("waiter", want), C._lock, holder, also=[C])
look.tell()
