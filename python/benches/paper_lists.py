"""The two workloads of the paper that threads slow down most, and what `ungil.Array` makes of them.

shared   threads upper-case the strings of one list in place, each in a range of its own: `records[i] = records[i].upper()`
copied   each thread makes a list of its own of upper-cased strings, and the main thread assigns it to a slice of `records`

Each is run as it stands, on the build with the GIL and on the free-threaded one, and with one line more, `records = ungil.Array(records)`,
on the free-threaded one. (`copied-local` goes one step further: each thread assigns its slice itself.) Every run is a process of its own, and
the runs of a block follow each other in random order, so that what disturbs the machine disturbs all of them.

    python paper_lists.py --gil python3.14 --free python3.14t [--records 1000000] [--threads 1,2] [--blocks 5]

Times are of the work alone; making the array from the list is given beside it. `ungil` must be importable by the free-threaded interpreter.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor


def ranges(length, parts):
    step = -(-length // parts)
    return [(low, min(low + step, length)) for low in range(0, length, step)]


def shared(records, pool, workers):
    def work(low, high):
        for i in range(low, high):
            records[i] = records[i].upper()

    for done in [pool.submit(work, *part) for part in ranges(len(records), workers)]:
        done.result()


def copied(records, pool, workers):
    def work(low, high):
        return [records[i].upper() for i in range(low, high)]

    parts = ranges(len(records), workers)
    for (low, high), done in zip(parts, [pool.submit(work, *part) for part in parts]):
        records[low:high] = done.result()


def copied_local(records, pool, workers):
    def work(low, high):
        records[low:high] = [records[i].upper() for i in range(low, high)]

    for done in [pool.submit(work, *part) for part in ranges(len(records), workers)]:
        done.result()


WORKLOADS = {"shared": shared, "copied": copied, "copied-local": copied_local}


def run(workload, kind, count, workers):
    """One run, in this process."""
    records = [f"name{i} middleName{i} surname{i}" for i in range(count)]
    made = 0.0
    if kind == "Array":
        import ungil

        start = time.perf_counter()
        records = ungil.Array(records)
        made = time.perf_counter() - start
    with ThreadPoolExecutor(workers) as pool:
        start = time.perf_counter()
        WORKLOADS[workload](records, pool, workers)
        took = time.perf_counter() - start
    assert records[0] == "NAME0 MIDDLENAME0 SURNAME0" and records[count - 1].isupper()
    print(json.dumps([took, made]))


def arms(options):
    for workload in WORKLOADS:
        if workload != "copied-local":
            yield workload, "GIL, list", options.gil, "list"
            yield workload, "free-threaded, list", options.free, "list"
        yield workload, "free-threaded, Array", options.free, "Array"


def compare(options):
    threads = [int(n) for n in options.threads.split(",")]
    points = [
        (arm, n)
        for arm in arms(options)
        for n in threads
        if not options.only or arm[0] == options.only
    ]
    times, made = {}, {}
    for _ in range(options.blocks):
        for (workload, name, python, kind), n in random.sample(points, len(points)):
            command = [python, __file__, "--run", workload, kind, str(options.records), str(n)]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            took, making = json.loads(out)
            times.setdefault((workload, name, n), []).append(took)
            made.setdefault((workload, name, n), []).append(making)
    print(f"{options.records} records, {options.blocks} blocks; median (least, most) of seconds")
    for (workload, name, _, kind), n in points:
        some = times[workload, name, n]
        base = times.get((workload, "GIL, list", n)) or times.get(("copied", "GIL, list", n))
        ratio = (
            f"  {statistics.median(base) / statistics.median(some):5.2f}x of GIL, list"
            if base
            else ""
        )
        making = (
            f"  (+ {statistics.median(made[workload, name, n]):.3f} to make it)"
            if kind == "Array"
            else ""
        )
        median = statistics.median(some)
        print(
            f"{workload:13s}{name:22s}{n:3d} threads  {median:.3f} ({min(some):.3f}, {max(some):.3f}){ratio}{making}"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gil", default="python3.14", help="an interpreter with the GIL")
    parser.add_argument(
        "--free", default=sys.executable, help="a free-threaded interpreter that can import ungil"
    )
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--threads", default=f"1,{os.cpu_count()}")
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--only", choices=WORKLOADS)
    parser.add_argument(
        "--run", nargs=4, metavar=("WORKLOAD", "KIND", "RECORDS", "THREADS"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.run:
        workload, kind, count, workers = options.run
        run(workload, kind, int(count), int(workers))
    else:
        compare(options)


if __name__ == "__main__":
    main()
