"""An RLock taken by a plain `acquire()`: its owner is known without a `with`."""
import threading

import look

R = threading.RLock()


def hold():
    R.acquire()
    look.arrived()
    look.stay()


def want():
    R.acquire()


owner = look.thread("owner", hold)
look.has_arrived(owner)
look.holds(owner, R, must=False)
look.waits(look.thread("waiter", want), R, owner)
look.tell()
