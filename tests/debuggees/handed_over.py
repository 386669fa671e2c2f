"""A Lock handed to its longest waiter: the old holder's frame is gone, the new `with` holds it, one waits."""
import threading

import look

L = threading.Lock()
GO = threading.Event()


def first():
    with L:
        look.arrived()
        GO.wait()
    look.stay()


def second():
    with L:
        look.arrived()
        look.stay()


def third():
    with L:
        pass


old = look.thread("first", first)
look.has_arrived(old)
new = look.thread("second", second)
look.until(lambda: look.calls(new, 202), "the second in the queue")
GO.set()
look.has_arrived(new)
look.holds(new, L)
look.waits(look.thread("third", third), L, new)
look.tell()
