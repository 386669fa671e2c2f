"""Exhausted Semaphores: the waiters are in a `with` on the inner condition that holds nothing."""
import threading

import look

S, B = threading.Semaphore(1), threading.BoundedSemaphore(2)


def use(semaphore):
    with semaphore:
        look.arrived()
        look.stay()


def want(semaphore):
    semaphore.acquire()


users = [(look.thread(f"user-{number}", use, of), of) for number, of in enumerate([S, B, B])]
look.has_arrived(*(user for user, _ in users))
for user, of in users:
    look.holds(user, of, confidence="unknown", must=False)
for name, target, of in (("waiter-s", want, S), ("waiter-b", want, B), ("with-b", use, B)):
    waiter = look.thread(name, target, of)
    look.waits(waiter, of, *(user for user, its in users if its is of), confidence="unknown")
look.tell()
