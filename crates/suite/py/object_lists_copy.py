"""Threaded objects: the strings of one shared list, made upper case in lists of the threads' own.

size strings; each worker reads its range of the shared list and fills a list of its own, which the main thread puts into its place
in a new list. No thread writes to what another reads; what is shared is the strings.

--form fixed: the list becomes an `ungil.Array` first, and the results go back into it.
"""

import ungil_suite as suite


def upper(records, low, high):
    mine = [None] * (high - low)
    for i in range(low, high):
        text = records[i]
        mine[i - low] = text.upper()
    return mine


def put(pool, chosen, records, result):
    """The threads' lists are dropped when this returns, which touches every string once more: part of the work."""
    for low, future in suite.spread(pool, chosen, upper, records):
        mine = future.result()
        result[low : low + len(mine)] = mine


def main():
    chosen = suite.options(
        __doc__, 500_000, workers=True, models=suite.ANY, forms=("plain", "fixed")
    )
    records = [f"name{i} middleName{i} surname{i}" for i in range(chosen.size)]
    if chosen.form == "fixed":
        import ungil

        records = ungil.Array(records)
    with suite.pool(chosen) as pool:
        with suite.phase():
            result = records if chosen.form == "fixed" else [None] * chosen.size
            put(pool, chosen, records, result)
    for i in range(0, chosen.size, max(1, chosen.size // 1000)):
        suite.check(
            result[i] == f"NAME{i} MIDDLENAME{i} SURNAME{i}", f"place {i} has {result[i]!r}"
        )
    print(len(result), result[chosen.size - 1])


if __name__ == "__main__":
    main()
