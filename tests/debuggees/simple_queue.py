"""`get` on an empty SimpleQueue, which waits in C."""
import queue

import look

Q = queue.SimpleQueue()


def get(*arguments):
    Q.get(*arguments)


look.waits(look.thread("getter", get), Q)
look.waits(look.thread("timed", get, True, 86400), Q)
look.tell()
