"""Shared objects: size items appended to one list.

Fixed: an `ungil.AppendList`.
"""

import ungil_suite as suite


def fixed():
    import ungil

    return ungil.AppendList()


def append(items, low, high):
    for i in range(low, high):
        items.append(i)


def verify(lists, _, size):
    length, total = sum(map(len, lists)), sum(map(sum, lists))
    suite.check(length == size, f"{length} items, not {size}")
    suite.check(total == size * (size - 1) // 2, "an item is missing or duplicated")


if __name__ == "__main__":
    suite.contend(__doc__, 2_000_000, list, append, verify, fixed)
