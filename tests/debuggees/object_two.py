"""Two sets' mutexes held at once without the GIL, by an `update` whose comparison of two elements does not end, all of it in C."""
import gc
import sys

import look

gc.disable()  # a collection would stop the world, and the holder never stops


def deep():
    made = ()
    for _ in range(200):
        made = (made, made)
    return made


# Equal, not the same, and hashed alike: to compare them takes 2 ** 200 steps. Their hashes are kept, so that they take 200.
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
