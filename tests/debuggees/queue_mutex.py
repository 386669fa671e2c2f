"""A Queue whose mutex one thread holds; another waits for the mutex, not for an item."""
import queue

import look

Q = queue.Queue()


def hold():
    with Q.mutex:
        look.arrived()
        look.stay()


holder = look.thread("holder", hold)
look.has_arrived(holder)
look.holds(holder, Q.mutex)
look.waits(look.thread("putter", Q.put, 1), Q.mutex, holder, also=[Q])
look.tell()
