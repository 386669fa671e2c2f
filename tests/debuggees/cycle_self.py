"""Threads deadlocked with themselves: a Lock taken twice in one `with`, and one taken in two frames."""
import threading

import look

A, B = threading.Lock(), threading.Lock()


def twice():
    with A, A:
        pass


def outer():
    with B:
        inner()


def inner():
    with B:
        pass


for lock, take in ((A, twice), (B, outer)):
    itself = look.thread(take.__name__, take)
    look.holds(itself, lock)
    look.waits(itself, lock, itself)
    look.deadlock(itself)
look.tell()
