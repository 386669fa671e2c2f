"""A set's mutex without the GIL, held forever in C by an `update` from an endless iterator."""
import gc
import itertools
import sys

import look

gc.disable()  # a collection would wait forever for the holder to reach a safe point
THING = {1}


def hold():
    endless = filter(None, itertools.repeat(0))
    look.frame(sys._getframe())
    look.arrived()
    THING.update(endless)


def want():
    look.frame(sys._getframe())
    THING.add(2)


holder = look.thread("holder", hold)
look.state(holder, "running")
look.runs(holder)
look.holds(holder, THING)
for number in range(2):
    look.waits(look.thread(f"waiter-{number}", want), THING, holder)
look.tell()
