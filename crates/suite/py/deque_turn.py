"""Shared objects: size items appended to one deque and removed at its other end.

Fixed: an `ungil.Queue`.
"""

from collections import deque

import ungil_suite as suite


def fixed():
    import ungil

    return ungil.Queue()


def put_and_get(queue, low, high):
    put, get = (queue.append, queue.popleft) if isinstance(queue, deque) else (queue.put, queue.get)
    total = 0
    for i in range(low, high):
        put(i)
        total += get()
    return total


def verify(queues, results, size):
    left = sum(len(queue) if isinstance(queue, deque) else queue.qsize() for queue in queues)
    suite.check(left == 0, f"{left} items are left")
    suite.check(sum(results) == size * (size - 1) // 2, "an item was lost or taken twice")


if __name__ == "__main__":
    suite.contend(__doc__, 1_000_000, deque, put_and_get, verify, fixed)
