"""NumPy: the product of two square matrices of float64, and its sum.

size x size random numbers each. BLAS computes on its own threads, with or without the GIL.
"""

import ungil_suite as suite


def main():
    chosen = suite.options(__doc__, 1500)
    import numpy

    random = numpy.random.default_rng(123)
    a, b = random.random((chosen.size, chosen.size)), random.random((chosen.size, chosen.size))
    with suite.phase():
        total = float(a.dot(b).sum())
    # The sum of a product is the product of the column sums and the row sums.
    right = float(a.sum(axis=0) @ b.sum(axis=1))
    suite.check(abs(total - right) <= 1e-9 * abs(right), f"the sum is {total}, not {right}")
    print(f"{total:.6g}")


if __name__ == "__main__":
    main()
