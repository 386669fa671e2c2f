"""Two hundred threads: a hundred hold a Lock each, the others wait for one each."""
import threading

import look

LOCKS = [threading.Lock() for _ in range(100)]


def hold(number):
    with LOCKS[number]:
        look.arrived()
        look.stay()


def want(number):
    with LOCKS[number]:
        pass


holders = [look.thread(f"holder-{number}", hold, number) for number in range(100)]
look.has_arrived(*holders)
for number, holder in enumerate(holders):
    look.holds(holder, LOCKS[number])
    look.waits(look.thread(f"waiter-{number}", want, number), LOCKS[number], holder)
look.tell()
