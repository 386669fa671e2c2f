"""A process and a thread with names in `/proc` that are hard to parse, and an escape sequence as a name."""
import threading

import look

L = threading.Lock()


def hold():
    with L:
        look.arrived()
        look.stay()


def want():
    with L:
        pass


def rename(which, name):
    with open(f"/proc/self/task/{which.native_id}/comm", "w") as comm:
        comm.write(name)


holder = look.thread("a \"quoted\\\" \x1b[31mred\nname\t\x00\x7f", hold)
look.has_arrived(holder)
look.holds(holder, L)
waiter = look.thread("", want)
look.row_of(waiter)["name"] = None
look.waits(waiter, L, holder)
rename(look.MAIN, "a) R 1 (b")
rename(holder, ") S 0 0\n(")
look.tell()
