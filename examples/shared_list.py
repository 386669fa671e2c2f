"""Shared work: every worker upper-cases its own part of one list. Without the GIL each write takes the list's lock,
and each dropped string belongs to the thread that created it, so more workers make it slower."""

import argparse
from concurrent.futures import ThreadPoolExecutor

try:
    from ungil_phase import phase
except ImportError:  # run by hand
    from contextlib import nullcontext as phase


def upper(records, first, last):
    for i in range(first, last):
        records[i] = records[i].upper()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--n", type=int, default=1_500_000)
    options.add_argument("--workers", type=int, default=1)
    args = options.parse_args()
    records = [f"record {i}" for i in range(args.n)]
    step = -(-args.n // args.workers)
    with ThreadPoolExecutor(args.workers) as pool:
        with phase():
            starts = range(0, args.n, step)
            list(pool.map(lambda first: upper(records, first, min(first + step, args.n)), starts))
    print(sum(map(len, records)), records[-1])


if __name__ == "__main__":
    main()
