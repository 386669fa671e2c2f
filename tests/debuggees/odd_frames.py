"""Locks held by frames that are not plain calls: a running generator (its frame is on the stack), a generator behind
`@contextmanager` and an ExitStack (their frames are not, so naming no holder is accepted)."""
import contextlib
import threading

import look

RUNNING, MANAGED, STACKED = threading.Lock(), threading.Lock(), threading.Lock()


def numbers():
    with RUNNING:
        look.arrived()
        look.stay()
        yield 1


def running():
    for _ in numbers():
        pass


@contextlib.contextmanager
def guard():
    with MANAGED:
        yield


def managed():
    with guard():
        look.arrived()
        look.stay()


def stacked():
    with contextlib.ExitStack() as stack:
        stack.enter_context(STACKED)
        look.arrived()
        look.stay()


def want(lock):
    with lock:
        pass


for lock, hold in ((RUNNING, running), (MANAGED, managed), (STACKED, stacked)):
    holder = look.thread(hold.__name__, hold)
    look.has_arrived(holder)
    known = lock is RUNNING
    look.holds(holder, lock, must=known, confidence="with" if known else "unknown")
    look.waits(look.thread(f"wants {hold.__name__}", want, lock), lock, holder, confidence="with" if known else "unknown")
look.tell()
