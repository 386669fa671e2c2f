"""A child of a process with threads: it has one thread, new ids, and a Lock held by a thread of the parent."""
import os
import threading

import look

LEFT, L = threading.Lock(), threading.Lock()


def stay_behind():
    with LEFT:
        look.arrived()
        look.stay()


def hold():
    with L:
        look.arrived()
        look.stay()


def want(lock):
    with lock:
        pass


def child():
    look.forget(behind.native_id)
    look.forget(before)
    look.known("MainThread", threading.get_native_id(), threading.get_ident())
    holder = look.thread("holder", hold)
    look.has_arrived(holder)
    look.holds(holder, L)
    look.waits(look.thread("waiter", want, L), L, holder)
    look.waits(look.thread("orphan", want, LEFT), LEFT)
    look.tell()


behind = look.thread("behind", stay_behind)
look.has_arrived(behind)
before = look.MAIN.native_id
pid = os.fork()
if pid == 0:
    child()
os.waitpid(pid, 0)
os._exit(0)
