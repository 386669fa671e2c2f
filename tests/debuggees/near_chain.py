"""A near miss: five threads that wait in a chain, whose last thread does not wait."""
import threading

import look

LOCKS = [threading.Lock() for _ in range(5)]


def take(number):
    with LOCKS[number]:
        look.arrived()
        if number == 0:
            look.stay()
        with LOCKS[number - 1]:
            pass


before = None
for number in range(5):
    link = look.thread(f"link-{number}", take, number)
    look.has_arrived(link)
    look.holds(link, LOCKS[number])
    if before:
        look.waits(link, LOCKS[number - 1], before)
    before = link
look.tell()
