"""Sequential: the sieve of Eratosthenes on a list of bools.

Strikes out the multiples of every prime up to size, one by one, then collects what is left. A large list, written in strides.
"""

import math

import ungil_suite as suite


def primes(limit):
    standing = [True] * (limit + 1)
    standing[0] = standing[1] = False
    for factor in range(2, math.isqrt(limit) + 1):
        if standing[factor]:
            for multiple in range(factor * factor, limit + 1, factor):
                standing[multiple] = False
    return [n for n, stands in enumerate(standing) if stands]


def divides(n):
    """Whether anything does, by trial."""
    return any(n % d == 0 for d in range(2, math.isqrt(n) + 1))


def main():
    chosen = suite.options(__doc__, 4_000_000)
    limit = max(chosen.size, 2)
    with suite.phase():
        found = primes(limit)
    tail = [n for n in range(max(2, limit - 50), limit + 1) if not divides(n)]
    suite.check(
        found[len(found) - len(tail) :] == tail, f"the last primes up to {limit} are not {tail}"
    )
    if limit >= 17:  # Rosser and Schoenfeld
        share = limit / math.log(limit)
        suite.check(share < len(found) < 1.25506 * share, f"{len(found)} primes up to {limit}")
    print(len(found), found[-1])


if __name__ == "__main__":
    main()
