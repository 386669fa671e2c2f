"""A Condition notified by a thread that keeps its lock: the woken thread waits for that lock."""
import threading

import look

C = threading.Condition()


def wait():
    with C:
        look.arrived()
        C.wait()


def notify():
    with C:
        C.notify()
        look.arrived()
        look.stay()


sleeper = look.thread("sleeper", wait)
look.has_arrived(sleeper)
look.until(lambda: C._waiters, "a waiter")
notifier = look.thread("notifier", notify)
look.has_arrived(notifier)
look.holds(notifier, C._lock)
look.holds(notifier, C, confidence="unknown", must=False)
look.waits(sleeper, C._lock, notifier, also=[C])
look.tell()
