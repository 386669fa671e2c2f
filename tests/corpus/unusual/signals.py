"""Handles a thousand signals a second, and freezes and collects objects meanwhile."""

import gc
import signal
import time

HANDLED = []


def handle(number, frame):
    HANDLED.append(number)


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    end = time.monotonic() + 30
    numbers = {}
    while len(HANDLED) < 50 and time.monotonic() < end:
        for number in range(100):
            numbers[number] = [number]
        gc.collect(0)
        gc.freeze()
        gc.unfreeze()
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert len(HANDLED) >= 50, len(HANDLED)
