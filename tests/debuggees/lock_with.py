"""A Lock held by one `with`, and a waiter whose frame has a pending `__exit__` that holds nothing."""
import threading

import look

L = threading.Lock()


def hold():
    with L:
        look.arrived()
        look.stay()


def want():
    with L:
        pass


holder = look.thread("holder", hold)
look.has_arrived(holder)
waiter = look.thread("waiter", want)
look.holds(holder, L)
look.waits(waiter, L, holder)
look.tell()
