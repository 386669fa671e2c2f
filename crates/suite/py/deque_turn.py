"""Shared objects: size items appended to one deque and as many taken from its other end.

Fixed: an `ungil.Queue`.
"""

from collections import deque

import ungil_suite as suite


def fixed():
    import ungil

    return ungil.Queue()


def turn(line, low, high):
    put, get = (line.append, line.popleft) if isinstance(line, deque) else (line.put, line.get)
    total = 0
    for i in range(low, high):
        put(i)
        total += get()
    return total


def verify(lines, results, size):
    left = sum(len(line) if isinstance(line, deque) else line.qsize() for line in lines)
    suite.check(left == 0, f"{left} items are left")
    suite.check(sum(results) == size * (size - 1) // 2, "an item was lost or taken twice")


if __name__ == "__main__":
    suite.contend(__doc__, 1_000_000, deque, turn, verify, fixed)
