"""A deadlock through a Lock, an RLock and a join; the first two threads wait in plain `acquire()`."""
import threading

import look

L, R = threading.Lock(), threading.RLock()


def has_lock():
    with L:
        look.meet(3)
        R.acquire()


def has_rlock(third):
    with R:
        look.meet(3)
        look.until(lambda: third, "the third")
        third[0].join()


def has_nothing():
    look.meet(3)
    L.acquire()


third = []
one = look.thread("has-lock", has_lock)
two = look.thread("has-rlock", has_rlock, third)
third.append(look.thread("has-nothing", has_nothing))
look.holds(one, L)
look.holds(two, R)
look.waits(one, R, two)
look.waits(two, third[0], third[0])
look.waits(third[0], L, one)
look.deadlock(one, two, third[0])
look.tell()
