"""Threaded numerical: the factorials of 0 to size, one future each.

Independent big integers: many small tasks, the largest last.
"""

import math

import ungil_suite as suite


def main():
    chosen = suite.options(__doc__, 3000, workers=True, models=suite.ANY)
    values = list(range(chosen.size + 1))
    with suite.pool(chosen) as pool:
        with suite.phase():
            futures = [pool.submit(math.factorial, value) for value in values]
            results = [future.result() for future in futures]
    for n in range(1, chosen.size + 1, max(1, chosen.size // 64)):
        suite.check(results[n] == n * results[n - 1], f"{n}! is not {n} times {n - 1}!")
    print(sum(result.bit_length() for result in results))


if __name__ == "__main__":
    main()
