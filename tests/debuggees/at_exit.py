"""The main thread is in an `atexit` handler after its script; a daemon thread waits for a Lock."""
import atexit
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
look.holds(holder, L)
look.waits(look.thread("waiter", want), L, holder)
atexit.register(look.tell)
