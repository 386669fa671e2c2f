"""A Lock held by a frame thirty callers up from its thread's current frame."""
import threading

import look

L = threading.Lock()


def down(levels):
    if levels:
        return down(levels - 1)
    look.arrived()
    look.stay()
    return 0


def hold():
    with L:
        return down(30)


def want():
    with L:
        pass


holder = look.thread("holder", hold)
look.has_arrived(holder)
look.holds(holder, L)
look.waits(look.thread("waiter", want), L, holder)
look.tell()
