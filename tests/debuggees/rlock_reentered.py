"""A near miss: an RLock re-entered by its owner while another thread waits for it. No cycle."""
import threading

import look

R = threading.RLock()
L = threading.Lock()


def own():
    with R:
        with L:
            with R:
                look.arrived()
                look.stay()


def want(lock):
    with lock:
        pass


owner = look.thread("owner", own)
look.has_arrived(owner)
look.holds(owner, R, 2)
look.holds(owner, L)
look.waits(look.thread("waiter-r", want, R), R, owner)
look.waits(look.thread("waiter-l", want, L), L, owner)
look.tell()
