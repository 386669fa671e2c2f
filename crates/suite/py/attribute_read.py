"""Shared objects: an attribute of one instance read size times.

Fixed: the same instance after `ungil.share(it)`, which avoids contention on its reference count.
"""

import ungil_suite as suite


class Settings:
    def __init__(self):
        self.step = 3


def fixed():
    import ungil

    return ungil.share(Settings())


def read(it, low, high):
    total = 0
    for _ in range(low, high):
        total += it.step
    return total


def verify(_, results, size):
    suite.check(sum(results) == 3 * size, f"the reads add up to {sum(results)}, not {3 * size}")


if __name__ == "__main__":
    suite.contend(__doc__, 4_000_000, Settings, read, verify, fixed)
