"""Independent work: each worker counts the primes of its own ranges. Scales without the GIL."""

import argparse
from concurrent.futures import ThreadPoolExecutor

try:
    from ungil_phase import phase
except ImportError:  # run by hand
    from contextlib import nullcontext as phase


def primes(first, last):
    count = 0
    for n in range(max(first, 2), last):
        d = 2
        while d * d <= n:
            if n % d == 0:
                break
            d += 1
        else:
            count += 1
    return count


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--n", type=int, default=200_000)
    options.add_argument("--workers", type=int, default=1)
    args = options.parse_args()
    step = max(1, args.n // 64)
    starts = range(0, args.n, step)
    with ThreadPoolExecutor(args.workers) as pool:
        with phase():
            total = sum(pool.map(lambda first: primes(first, min(first + step, args.n)), starts))
    print(total)


if __name__ == "__main__":
    main()
