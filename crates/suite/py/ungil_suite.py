"""Common code of the suite's workloads: options, a pool for the execution model, a self-check.

A workload builds its inputs, works inside `phase()`, checks its result, and prints a digest of it, which
`ungil` compares between the arms. Workloads also run without `ungil`: `python mandelbrot.py --size 500`.
"""

import argparse
import gc
import os
import sys
from concurrent.futures import (
    ThreadPoolExecutor,
)  # not in pool(), which may be called inside the phase

try:
    from ungil_phase import phase as _marked
except ImportError:  # run by hand
    from contextlib import nullcontext as _marked

__all__ = ["ANY", "check", "collect", "contend", "options", "parts", "phase", "pool", "spread"]

# Exit code of a workload whose result is wrong.
WRONG = 70


def options(text, size, workers=False, models=("threads",), forms=()):
    """Parse the command line of a workload: `--size` and its other options."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=size, help="default %(default)s")
    parser.add_argument(
        "--packages",
        help="folder with one folder of packages per interpreter: cpython-314, cpython-314t",
    )
    if workers:
        parser.add_argument("--workers", type=int, default=1)
        parser.add_argument("--model", choices=models, default=models[0])
    if forms:
        parser.add_argument("--form", choices=forms, default=forms[0])
    chosen = parser.parse_args()
    if chosen.size < 1 or (workers and chosen.workers < 1):
        parser.error("--size and --workers must be at least 1")
    if chosen.packages:
        sys.path.insert(
            0,
            os.path.join(
                chosen.packages, sys.implementation.cache_tag + getattr(sys, "abiflags", "")
            ),
        )
    return chosen


def phase():
    """Return a context manager for the measured part.

    Garbage is collected first. Otherwise the number of objects created so far would decide whether a
    collection of the inputs falls into the phase.
    """
    gc.collect()
    return _marked()


# Models of a workload with independent parts.
ANY = ("threads", "fork", "spawn", "forkserver", "interpreters")


def parts(length, count):
    """Return at most `count` ranges that cover `range(length)`; the last one may be shorter."""
    step = -(-length // count)
    return [(low, min(low + step, length)) for low in range(0, length, step)]


def _init_process(barrier):
    barrier.wait(120)


def pool(chosen):
    """Return an executor.

    Processes and interpreters are started before the work, as in a program that keeps its pool; threads
    start with the first task, as usual.
    """
    if chosen.model == "threads":
        return ThreadPoolExecutor(chosen.workers)
    from concurrent import futures

    if chosen.model == "interpreters":
        executor = futures.InterpreterPoolExecutor(chosen.workers)
        # One sleep each: a sleeping worker does not take a second task.
        import time

        for nap in [executor.submit(time.sleep, 0.05) for _ in range(chosen.workers)]:
            nap.result()
        return executor
    import multiprocessing

    context = multiprocessing.get_context(chosen.model)
    barrier = context.Barrier(chosen.workers)
    executor = futures.ProcessPoolExecutor(
        chosen.workers, mp_context=context, initializer=_init_process, initargs=(barrier,)
    )
    list(executor.map(abs, range(chosen.workers)))
    return executor


def spread(executor, chosen, work, records, *rest):
    """Run `work(records, low, high, *rest)` over parts of `records`, one per worker.

    Returns pairs of the start of a part and its future. Workers without shared memory get a copy of only
    their part.
    """
    futures = []
    for low, high in parts(len(records), chosen.workers):
        if chosen.model == "threads":
            futures.append((low, executor.submit(work, records, low, high, *rest)))
        else:
            futures.append((low, executor.submit(work, records[low:high], 0, high - low, *rest)))
    return futures


def collect(futures):
    """Return the results of `spread` in order."""
    return [future.result() for _, future in futures]


def _own(make, work, low, high):
    mine = make()
    return mine, work(mine, low, high)


def contend(text, size, make, work, verify, fixed=None):
    """Run a workload of the category "shared objects": `work(object, low, high)` over parts of `range(size)`.

    --form shared: all threads use one `make()`; private: each thread makes its own; fixed: all threads use
    one `fixed()`, which may need the package `ungil`. `verify(objects, results, size)` checks the result.
    """
    forms = ("shared", "private", "fixed") if fixed else ("shared", "private")
    chosen = options(text, size, workers=True, forms=forms)
    ranges = parts(chosen.size, chosen.workers)
    with pool(chosen) as executor:
        if chosen.form == "private":
            with phase():
                futures = [executor.submit(_own, make, work, low, high) for low, high in ranges]
                done = [future.result() for future in futures]
            objects, results = [mine for mine, _ in done], [result for _, result in done]
        else:
            objects = [fixed() if chosen.form == "fixed" else make()]
            with phase():
                futures = [executor.submit(work, objects[0], low, high) for low, high in ranges]
                results = [future.result() for future in futures]
    verify(objects, results, chosen.size)
    print(chosen.size)


def check(right, message):
    """Exit with an error message unless the result is right."""
    if not right:
        print(f"self-check failed: {message}", file=sys.stderr, flush=True)
        os._exit(WRONG)
