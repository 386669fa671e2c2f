"""Shared objects: one immutable tuple indexed size times.

All elements are the same string, so that all threads count references to one object.

Fixed: the same tuple after `ungil.share(it, immortal=True)`, because the interpreter counts references
to a string unless it is immortal.
"""

import ungil_suite as suite

LENGTH = 1024


def make():
    return ("".join(["ni", "ne"]),) * LENGTH


def fixed():
    import ungil

    return ungil.share(make(), immortal=True)


def read(table, low, high):
    same = 0
    first = table[0]
    for i in range(low, high):
        same += table[i & 1023] is first
    return same


def verify(_, results, size):
    suite.check(sum(results) == size, f"{sum(results)} reads returned the element, not {size}")


if __name__ == "__main__":
    suite.contend(__doc__, 4_000_000, make, read, verify, fixed)
