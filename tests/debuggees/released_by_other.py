"""A Lock taken by `with` and released by another thread: it is still on the frame's stack, but has no holder. And
one taken by `acquire()` in a thread that has ended: it has no living holder."""
import threading

import look

LET_GO, LEFT = threading.Lock(), threading.Lock()


def hold():
    with LET_GO:
        look.arrived()
        look.stay()


def leave():
    LEFT.acquire()


def want():
    LEFT.acquire()


look.has_arrived(look.thread("holder", hold))
LET_GO.release()
leaver = look.thread("leaver", leave)
leaver.join()
look.forget(leaver.native_id)
look.waits(look.thread("waiter", want), LEFT)
look.tell()
