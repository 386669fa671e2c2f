"""Sequential: the Mandelbrot set in pure Python.

Counts iterations (50 at most) for each of size x size points of x in [-1.5, 0.5], y in [-1, 1]. A tight
loop over floats without lasting allocations.
"""

import ungil_suite as suite

LIMIT = 50


def grid(size):
    return [-1.5 + 2.0 / size * i for i in range(size)], [
        -1.0 + 2.0 / size * i for i in range(size)
    ]


def row(xs, y):
    """Return the total iterations of one row."""
    total = 0
    for x in xs:
        a = b = 0.0
        n = 0
        while a * a + b * b <= 4.0 and n < LIMIT:
            a, b = a * a - b * b + x, 2.0 * a * b + y
            n += 1
        total += n
    return total


def slow_row(xs, y):
    """Return the same, computed with complex numbers."""
    total = 0
    for x in xs:
        z, c = 0j, complex(x, y)
        n = 0
        while n < LIMIT and z.real * z.real + z.imag * z.imag <= 4.0:
            z = complex(z.real * z.real - z.imag * z.imag, 2.0 * z.real * z.imag) + c
            n += 1
        total += n
    return total


def main():
    chosen = suite.options(__doc__, 500)
    xs, ys = grid(chosen.size)
    with suite.phase():
        rows = [row(xs, y) for y in ys]
    for i in range(0, chosen.size, max(1, chosen.size // 8)):
        suite.check(
            rows[i] == slow_row(xs, ys[i]),
            f"row {i} has {rows[i]} iterations, not {slow_row(xs, ys[i])}",
        )
    print(sum(rows))


if __name__ == "__main__":
    main()
