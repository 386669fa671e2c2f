"""Sequential: the sieve of Eratosthenes on a list of bools.

Clears the multiples of every prime up to size, then collects the remaining numbers. Strided writes to a
large list.
"""

import math

import ungil_suite as suite


def primes(limit):
    is_prime = [True] * (limit + 1)
    is_prime[0] = is_prime[1] = False
    for factor in range(2, math.isqrt(limit) + 1):
        if is_prime[factor]:
            for multiple in range(factor * factor, limit + 1, factor):
                is_prime[multiple] = False
    return [n for n, prime in enumerate(is_prime) if prime]


def is_composite(n):
    """Return whether n has a divisor, by trial division."""
    return any(n % d == 0 for d in range(2, math.isqrt(n) + 1))


def main():
    chosen = suite.options(__doc__, 4_000_000)
    limit = max(chosen.size, 2)
    with suite.phase():
        found = primes(limit)
    tail = [n for n in range(max(2, limit - 50), limit + 1) if not is_composite(n)]
    suite.check(
        found[len(found) - len(tail) :] == tail, f"the last primes up to {limit} are not {tail}"
    )
    if limit >= 17:  # Rosser and Schoenfeld
        share = limit / math.log(limit)
        suite.check(share < len(found) < 1.25506 * share, f"{len(found)} primes up to {limit}")
    print(len(found), found[-1])


if __name__ == "__main__":
    main()
