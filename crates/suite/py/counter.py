"""Shared objects: size increments of one counter under a lock.

Fixed: an `ungil.Adder`.
"""

import threading

import ungil_suite as suite


class Counter:
    def __init__(self):
        self.lock = threading.Lock()
        self.count = 0

    def sum(self):
        return self.count


def fixed():
    import ungil

    return ungil.Adder()


def count(counter, low, high):
    if isinstance(counter, Counter):
        lock = counter.lock
        for _ in range(low, high):
            with lock:
                counter.count += 1
    else:
        for _ in range(low, high):
            counter.increment()


def verify(counters, _, size):
    total = sum(counter.sum() for counter in counters)
    suite.check(total == size, f"{total} increments were counted, not {size}")


if __name__ == "__main__":
    suite.contend(__doc__, 1_000_000, Counter, count, verify, fixed)
