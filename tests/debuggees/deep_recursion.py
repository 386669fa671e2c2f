"""Two thousand frames, in Python only and alternating with C (`map`)."""
import sys

import look

sys.setrecursionlimit(10000)


def down(levels):
    if levels:
        return down(levels - 1) + 1
    look.arrived()
    look.stay()
    return 0


def across(levels):
    if levels:
        return next(map(across, [levels - 1]))
    look.arrived()
    look.stay()
    return 0


look.has_arrived(look.thread("down", down, 2000), look.thread("across", across, 100))
look.tell()
