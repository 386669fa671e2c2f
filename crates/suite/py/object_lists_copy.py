"""Threaded objects: the strings of one shared list converted to upper case in private lists.

size strings; each worker reads its range of the shared list and fills its own list, which the main
thread copies into a new list. No thread writes to data that another reads; only the strings are shared.

--form fixed: the list is first converted to an `ungil.Array`, and the results are stored in it.
"""

import ungil_suite as suite


def upper(records, low, high):
    mine = [None] * (high - low)
    for i in range(low, high):
        text = records[i]
        mine[i - low] = text.upper()
    return mine


def put(pool, chosen, records, result):
    """Copy the results. The threads' lists are dropped on return, which is part of the measured work."""
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
            result[i] == f"NAME{i} MIDDLENAME{i} SURNAME{i}", f"element {i} is {result[i]!r}"
        )
    print(len(result), result[chosen.size - 1])


if __name__ == "__main__":
    main()
