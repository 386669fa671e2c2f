"""The mutex of a dict without the GIL, held for ever by an `update` from an iterator that never yields, all of it in C."""
import gc
import itertools
import sys

import look

gc.disable()  # a collection would stop the world, and the holder never stops
THING = {1: 1}


def hold():
    endless = filter(None, itertools.repeat(0))
    look.frame(sys._getframe())
    look.arrived()
    THING.update(endless)


def want():
    look.frame(sys._getframe())
    THING[2] = 2


holder = look.thread("holder", hold)
look.state(holder, "running")
look.runs(holder)
look.holds(holder, THING)
for number in range(2):
    look.waits(look.thread(f"waiter-{number}", want), THING, holder)
look.tell()
