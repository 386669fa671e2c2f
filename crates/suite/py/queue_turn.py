"""Shared objects: size items put into and taken from one `queue.Queue`, both by each thread.

Fixed: an `ungil.Queue`.
"""

from queue import Queue

import ungil_suite as suite


def fixed():
    import ungil

    return ungil.Queue()


def put_and_get(queue, low, high):
    put, get = queue.put, queue.get
    total = 0
    for i in range(low, high):
        put(i)
        total += get()
    return total


def verify(queues, results, size):
    left = sum(queue.qsize() for queue in queues)
    suite.check(left == 0, f"{left} items are left")
    suite.check(sum(results) == size * (size - 1) // 2, "an item was lost or taken twice")


if __name__ == "__main__":
    suite.contend(__doc__, 150_000, Queue, put_and_get, verify, fixed)
