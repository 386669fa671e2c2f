"""Shared objects: one tuple indexed size times by every thread's share of the work. Nobody could change it.

Every place has the same string, so that what is counted is references to one object.

Fixed: the same tuple after `ungil.share(it, immortal=True)`: the interpreter counts references to a string unless it is immortal.
"""

import ungil_suite as suite

PLACES = 1024


def make():
    return ("".join(["ni", "ne"]),) * PLACES


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
    suite.check(sum(results) == size, f"{sum(results)} reads gave what is there, not {size}")


if __name__ == "__main__":
    suite.contend(__doc__, 4_000_000, make, read, verify, fixed)
