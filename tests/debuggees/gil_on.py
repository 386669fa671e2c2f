"""For `-X gil=1`: a free-threaded build with its GIL on; two threads compute and one waits for a Lock."""
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


def spin():
    look.arrived()
    while True:
        pass


holder = look.thread("holder", hold)
look.has_arrived(holder)
look.holds(holder, L)
look.waits(look.thread("waiter", want), L, holder)
spinners = [look.thread(f"spinner-{number}", spin) for number in range(2)]
for spinner in spinners:
    look.spins(spinner, *(other for other in spinners if other is not spinner))
look.has_arrived(*spinners)
look.tell()
