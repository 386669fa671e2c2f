"""A near miss: a cycle in which one wait has a timeout that will end it."""
import threading

import look

A, B = threading.Lock(), threading.Lock()


def patient():
    with A:
        look.meet(2)
        with B:
            pass


def impatient():
    with B:
        look.meet(2)
        A.acquire(timeout=86400)


one, two = look.thread("patient", patient), look.thread("impatient", impatient)
look.holds(one, A)
look.holds(two, B)
look.waits(one, B, two)
look.waits(two, A, one)
look.tell()
