"""A Lock taken by a plain `acquire()`, which leaves no trace of its holder: none may be named."""
import threading

import look

L = threading.Lock()


def hold():
    L.acquire()
    look.arrived()
    look.stay()


def want():
    L.acquire()


holder = look.thread("holder", hold)
look.has_arrived(holder)
look.waits(look.thread("waiter", want), L)
look.tell()
