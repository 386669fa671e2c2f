"""Threaded numerical: the product of two matrices of small ints in pure Python.

size x size numbers; the right side is transposed beforehand, so that each element of the result is a
dot product of two lists. Each worker computes a block of rows. All workers read the lists of the right
side, and none writes to data that another reads.
"""

import ungil_suite as suite


def matrix(size):
    return [[(i + j) % 100 for j in range(size)] for i in range(size)]


def block(left, low, high, columns):
    """Return the sums of the rows of a block of the product."""
    sums = []
    for i in range(low, high):
        row = left[i]
        sums.append(sum([sum(a * b for a, b in zip(row, column)) for column in columns]))
    return sums


def main():
    chosen = suite.options(__doc__, 200, workers=True, models=suite.ANY)
    left, right = matrix(chosen.size), matrix(chosen.size)
    columns = [list(column) for column in zip(*right)]
    with suite.pool(chosen) as pool:
        with suite.phase():
            futures = suite.spread(pool, chosen, block, left, columns)
            sums = [total for part in suite.collect(futures) for total in part]
    weights = [sum(row) for row in right]
    expected = [sum(a * w for a, w in zip(row, weights)) for row in left]
    suite.check(sums == expected, "the row sums of the product are wrong")
    print(sum(sums))


if __name__ == "__main__":
    main()
