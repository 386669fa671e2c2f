"""NumPy: arithmetic on whole arrays, each step into a new array.

Computes a*b + 0.5a - 0.25b of size random float64s each, clips to [0, 1], normalizes to mean 0 and
deviation 1, and sums. Memory-bound.
"""

import ungil_suite as suite


def main():
    chosen = suite.options(__doc__, 5_000_000)
    import numpy

    random = numpy.random.default_rng(42)
    a, b = random.random(chosen.size), random.random(chosen.size)
    with suite.phase():
        mixed = a * b + a * 0.5 - b * 0.25
        clipped = numpy.clip(mixed, 0.0, 1.0)
        normal = (clipped - clipped.mean()) / (clipped.std() + 1e-9)
        total = normal.sum()
    suite.check(abs(total) / chosen.size < 1e-9, f"the mean is {total / chosen.size}, not 0")
    spread = float(normal @ normal) / chosen.size
    suite.check(chosen.size < 2 or abs(spread - 1.0) < 1e-6, f"the variance is {spread}, not 1")
    print(f"{float(clipped.mean()):.6f}")


if __name__ == "__main__":
    main()
