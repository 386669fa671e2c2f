"""Threaded objects: the strings of one shared list converted to upper case in place.

size strings; each worker has its own range and writes `records[i] = records[i].upper()`. Without the
GIL every write takes the list's lock, and every dropped string belongs to the thread that created it,
which must be notified.

--form fixed: the list is first converted to an `ungil.Array`, whose elements have no common lock.
"""

import ungil_suite as suite


def upper(records, low, high):
    for i in range(low, high):
        text = records[
            i
        ]  # the name keeps the old string alive until the next iteration, so this thread drops it
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
            records[i] == f"NAME{i} MIDDLENAME{i} SURNAME{i}", f"element {i} is {records[i]!r}"
        )
    print(len(records), records[chosen.size - 1])


if __name__ == "__main__":
    main()
