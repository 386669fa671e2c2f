"""One Lock, one holder and four waiters, two by `with` and two by `acquire()`; the lock is an attribute."""
import threading

import look


class Account:
    def __init__(self):
        self._lock = threading.Lock()

    def audit(self):
        with self._lock:
            look.arrived()
            look.stay()

    def pay(self):
        with self._lock:
            pass

    def refund(self):
        self._lock.acquire()


account = Account()
auditor = look.thread("auditor", account.audit)
look.has_arrived(auditor)
look.holds(auditor, account._lock)
for number, method in enumerate([account.pay, account.pay, account.refund, account.refund]):
    look.waits(look.thread(f"payer-{number}", method), account._lock, auditor)
look.tell()
