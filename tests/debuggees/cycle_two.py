"""Two deadlocks, threads that wait for one of them without being part of it, and a chain of those."""
import threading

import look

A, B, C, D, E = (threading.Lock() for _ in range(5))


def take(first, second, number):
    with first:
        look.meet(number)
        with second:
            pass


def want(lock):
    with lock:
        pass


one, two = look.thread("one", take, A, B, 4), look.thread("two", take, B, A, 4)
three, four = look.thread("three", take, C, D, 4), look.thread("four", take, D, C, 4)
look.has_arrived(one, two, three, four)
for waiting, has, wants, holder in ((one, A, B, two), (two, B, A, one), (three, C, D, four), (four, D, C, three)):
    look.holds(waiting, has)
    look.waits(waiting, wants, holder)
look.deadlock(one, two)
look.deadlock(three, four)
near = look.thread("near", take, E, A, 5)
look.has_arrived(near)
look.holds(near, E)
look.waits(near, A, one)
look.waits(look.thread("far", want, E), E, near)
look.tell()
