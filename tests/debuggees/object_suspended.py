"""A dict whose lookup calls Python code that blocks. Without the GIL, the thread was in the dict's critical section and left
it when it blocked: there is no holder, and another thread writes freely."""
import threading

import look

E = threading.Event()
D = {}


class Key:
    def __hash__(self):
        return 7

    def __eq__(self, other):
        if threading.current_thread().name == "asks":
            look.arrived()
            E.wait()
        return False


D[Key()] = 1


def ask():
    D[Key()] = 2


def write():
    D["free"] = 3
    look.arrived()
    look.stay()


asks = look.thread("asks", ask)
look.has_arrived(asks)
look.waits(asks, E)
look.has_arrived(look.thread("writes", write))
look.tell()
