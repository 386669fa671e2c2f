"""A Lock taken inside a `with` and released by somebody else: the frame still has it on its stack, but nobody holds it. And
one taken by `acquire()` in a thread that has ended: nobody that is there holds it."""
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
