"""`get` on an empty Queue, `put` on a full one, and `join` on one with unfinished work."""
import queue

import look

EMPTY, FULL, LEFT = queue.Queue(), queue.Queue(1), queue.LifoQueue()
FULL.put(1)
LEFT.put(1)


look.waits(look.thread("getter", EMPTY.get), EMPTY)
look.waits(look.thread("timed", EMPTY.get, True, 86400), EMPTY)
look.waits(look.thread("putter", FULL.put, 2), FULL)
look.waits(look.thread("joiner", LEFT.join), LEFT)
look.tell()
