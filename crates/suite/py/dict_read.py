"""Shared objects: size look-ups in one dict that is not modified.

Fixed: an `ungil.ConcurrentDict`.
"""

import ungil_suite as suite

KEYS = 1024


def make():
    return {key: key for key in range(KEYS)}


def fixed():
    import ungil

    return ungil.ConcurrentDict(make())


def read(table, low, high):
    total = 0
    for i in range(low, high):
        total += table[i & 1023]
    return total


def verify(_, results, size):
    right = size // KEYS * (KEYS * (KEYS - 1) // 2) + sum(range(size % KEYS))
    suite.check(sum(results) == right, f"the values add up to {sum(results)}, not {right}")


if __name__ == "__main__":
    suite.contend(__doc__, 2_000_000, make, read, verify, fixed)
