"""What every workload of the suite needs: its options, a pool of the execution model asked for, a self-check.

A workload builds its inputs, works inside `phase()`, checks its own result, and prints a digest of it, which `ungil`
compares between the arms. Each runs by hand too, without `ungil`: `python mandelbrot.py --size 500`.
"""

import argparse
import gc
import os
import sys

# Imported here and not where a pool is made, which may be inside the measured phase.
from concurrent.futures import ThreadPoolExecutor

try:
    from ungil_phase import phase as _marked
except ImportError:  # run by hand
    from contextlib import nullcontext as _marked

__all__ = ["ANY", "check", "collect", "contend", "options", "parts", "phase", "pool", "spread"]

# Exit code of a workload whose result is wrong.
WRONG = 70


def options(text, size, workers=False, models=("threads",), forms=()):
    """The command line of a workload: `--size`, and what else it takes."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=size, help="default %(default)s")
    parser.add_argument(
        "--packages",
        help="folder with one folder of packages an interpreter: cpython-314, cpython-314t",
    )
    if workers:
        parser.add_argument("--workers", type=int, default=1)
        parser.add_argument("--model", choices=models, default=models[0])
    if forms:
        parser.add_argument("--form", choices=forms, default=forms[0])
    chosen = parser.parse_args()
    if chosen.size < 1 or (workers and chosen.workers < 1):
        parser.error("--size and --workers begin at 1")
    if chosen.packages:
        sys.path.insert(
            0,
            os.path.join(
                chosen.packages, sys.implementation.cache_tag + getattr(sys, "abiflags", "")
            ),
        )
    return chosen


def phase():
    """What is measured. The inputs are collected before it: otherwise whether the garbage collector goes through them in the
    phase hangs on how many objects the program happened to make until then."""
    gc.collect()
    return _marked()


# Models of a workload whose parts need nothing of each other.
ANY = ("threads", "fork", "spawn", "forkserver", "interpreters")


def parts(length, count):
    """`count` ranges that cover `range(length)`, the last ones shorter or missing."""
    step = -(-length // count)
    return [(low, min(low + step, length)) for low in range(0, length, step)]


def _arrive(barrier):
    barrier.wait(120)


def pool(chosen):
    """An executor. Processes and interpreters are there before the work begins, as in any program that keeps its pool;
    threads start with the first work, as they always do."""
    if chosen.model == "threads":
        return ThreadPoolExecutor(chosen.workers)
    from concurrent import futures

    if chosen.model == "interpreters":
        executor = futures.InterpreterPoolExecutor(chosen.workers)
        # One nap each: a worker that sleeps takes no second one.
        import time

        for nap in [executor.submit(time.sleep, 0.05) for _ in range(chosen.workers)]:
            nap.result()
        return executor
    import multiprocessing

    context = multiprocessing.get_context(chosen.model)
    barrier = context.Barrier(chosen.workers)
    executor = futures.ProcessPoolExecutor(
        chosen.workers, mp_context=context, initializer=_arrive, initargs=(barrier,)
    )
    list(executor.map(abs, range(chosen.workers)))
    return executor


def spread(executor, chosen, work, records, *rest):
    """`work(records, low, high, *rest)` over parts of `records`, one a worker: pairs of where a part begins and its
    future. Workers that share no memory get a copy of their part alone."""
    futures = []
    for low, high in parts(len(records), chosen.workers):
        if chosen.model == "threads":
            futures.append((low, executor.submit(work, records, low, high, *rest)))
        else:
            futures.append((low, executor.submit(work, records[low:high], 0, high - low, *rest)))
    return futures


def collect(futures):
    """The results of `spread`, in the order in which they began."""
    return [future.result() for _, future in futures]


def _own(make, work, low, high):
    mine = make()
    return mine, work(mine, low, high)


def contend(text, size, make, work, verify, fixed=None):
    """A workload of the category "shared objects": `work(object, low, high)` in threads over parts of `range(size)`.

    --form shared: all threads on one `make()`; private: each on one that it made itself; fixed: all on one `fixed()`, which
    may need the package `ungil`. `verify(objects, results, size)` checks what came of it.
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


def check(right, says):
    """Ends the program with a message unless the result is right."""
    if not right:
        print(f"self-check failed: {says}", file=sys.stderr, flush=True)
        os._exit(WRONG)
