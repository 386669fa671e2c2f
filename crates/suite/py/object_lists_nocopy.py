"""Threaded objects: the strings of one shared list made upper case in place.

size strings; each worker has a range of its own and writes `records[i] = records[i].upper()`. Without a GIL every write takes the
list's one lock, and every string dropped belongs to the thread that made it, which must hear of it.

--form fixed: the list becomes an `ungil.Array` first, whose places have no common lock.
"""

import ungil_suite as suite


def upper(records, low, high):
    for i in range(low, high):
        text = records[
            i
        ]  # kept by a name until the next is: who drops it last, and where, decides what it costs
        records[i] = text.upper()


def main():
    chosen = suite.options(__doc__, 500_000, workers=True, forms=("plain", "fixed"))
    records = [f"name{i} middleName{i} surname{i}" for i in range(chosen.size)]
    if chosen.form == "fixed":
        import ungil

        records = ungil.Array(records)
    with suite.pool(chosen) as pool:
        with suite.phase():
            suite.collect(suite.spread(pool, chosen, upper, records))
    for i in range(0, chosen.size, max(1, chosen.size // 1000)):
        suite.check(
            records[i] == f"NAME{i} MIDDLENAME{i} SURNAME{i}", f"place {i} has {records[i]!r}"
        )
    print(len(records), records[chosen.size - 1])


if __name__ == "__main__":
    main()
