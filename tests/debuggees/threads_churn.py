"""Threads that come and go as fast as they can beside two that stay; those two are the truth, the others may be seen or not."""
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


def come_and_go():
    look.arrived()
    while True:
        short = threading.Thread(target=sum, args=(range(100),), name="short", daemon=True)
        short.start()
        short.join()


holder = look.thread("holder", hold)
look.has_arrived(holder)
look.holds(holder, L)
look.waits(look.thread("waiter", want), L, holder)
churn = look.thread("churn", come_and_go)
look.state(churn, "running", "gil", "lock", "event", "native", "syscall", "suspended", "ending")
# Starting a thread holds, for moments, the lock of the event that says it has started.
look.row_of(churn).update(waits="any", frames="moving", may_in="/threading.py")
look.has_arrived(churn)
look.tell(extras=True)
