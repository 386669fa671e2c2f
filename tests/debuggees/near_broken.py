"""A near miss: a cycle that one thread left by giving up; the stacks still look much like it."""
import threading

import look

A, B = threading.Lock(), threading.Lock()
GAVE_UP = []


def steady():
    with A:
        look.meet(2)
        with B:
            pass


def yielding():
    with B:
        look.meet(2)
        GAVE_UP.append(A.acquire(timeout=0.05))
        look.stay()


one, two = look.thread("steady", steady), look.thread("yielding", yielding)
look.until(lambda: GAVE_UP, "giving up")
look.holds(one, A)
look.holds(two, B)
look.waits(one, B, two)
look.tell()
