"""A thread started below `threading`: it has a lock and a stack, but no Thread object and no name."""
import _thread
import threading

import look

L = threading.Lock()
IDS = []


def hold():
    IDS.append((threading.get_native_id(), threading.get_ident()))
    with L:
        look.arrived()
        look.stay()


class Bare:
    native_id, ident = None, None


def want():
    with L:
        pass


_thread.start_new_thread(hold, ())
look.until(lambda: IDS, "the bare thread")
Bare.native_id, Bare.ident = IDS[0]
look.has_arrived(Bare)
look.known(None, *IDS[0])
look.holds(Bare, L)
look.waits(look.thread("waiter", want), L, Bare)
look.tell()
