"""Two sets' mutexes held without the GIL, in C, by an `update` that compares two elements forever."""
import gc
import sys

import look

gc.disable()  # a collection would wait forever for the holder to reach a safe point


def deep():
    made = ()
    for _ in range(200):
        made = (made, made)
    return made


# Equal but not identical, with equal hashes: comparing takes 2 ** 200 steps, hashing 200 because hashes are cached.
LEFT, RIGHT = {deep(), 1}, {deep(), 2}


def hold():
    look.frame(sys._getframe())
    look.arrived()
    LEFT.update(RIGHT)


def want(which):
    look.frame(sys._getframe())
    which.add(3)


holder = look.thread("holder", hold)
look.state(holder, "running")
look.runs(holder)
for name, which in (("waiter-left", LEFT), ("waiter-right", RIGHT)):
    look.holds(holder, which)
    look.waits(look.thread(name, want, which), which, holder)
look.tell()
