"""Short-lived threads, and two that stay; only those two are expected, others may appear or not."""
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
# Starting a thread briefly holds the lock of its `started` event.
look.row_of(churn).update(waits="any", frames="moving", may_in="/threading.py")
look.has_arrived(churn)
look.tell(extras=True)
