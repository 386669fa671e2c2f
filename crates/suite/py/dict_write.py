"""Shared objects: size values stored in one dict under existing keys.

Fixed: an `ungil.ConcurrentDict`.
"""

import ungil_suite as suite

KEYS = 1024


def make():
    return dict.fromkeys(range(KEYS), -1)


def fixed():
    import ungil

    return ungil.ConcurrentDict(make())


def write(table, low, high):
    for i in range(low, high):
        table[i & 1023] = i


def verify(tables, _, size):
    for table in tables:
        suite.check(len(table) == KEYS, f"{len(table)} keys, not {KEYS}")
        wrong = [key for key in range(KEYS) if table[key] >= 0 and table[key] % KEYS != key]
        suite.check(not wrong, f"key {wrong and wrong[0]} has another key's value")
    written = {key for table in tables for key in range(KEYS) if table[key] >= 0}
    suite.check(
        len(written) == min(size, KEYS), f"{len(written)} keys were written, not {min(size, KEYS)}"
    )


if __name__ == "__main__":
    suite.contend(__doc__, 2_000_000, make, write, verify, fixed)
