"""Measures the paper's two workloads that threads slow down most, with a list and `ungil.Array`.

shared   threads upper-case the strings of one list in place, each in its own range:
         `records[i] = records[i].upper()`
copied   each thread builds its own list of upper-cased strings, and the main thread assigns it to a
         slice of `records`

Each workload runs unchanged on the GIL build and on the free-threaded build, and with the added
line `records = ungil.Array(records)` on the free-threaded build. (In `copied-local` each thread
also assigns its slice itself.) Every run is a separate process. The runs of a block are in random
order, so that disturbances of the machine affect all of them alike.

    python paper_lists.py --gil python3.14 --free python3.14t [--records 1000000] [--threads 1,2]
                          [--blocks 5]

Times are of the work alone; the time to build the array from the list is printed separately. The
free-threaded interpreter must be able to import `ungil`.
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
    """Runs one workload in this process and prints its time and the time to build the array."""
    records = [f"name{i} middleName{i} surname{i}" for i in range(count)]
    building = 0.0
    if kind == "Array":
        import ungil

        start = time.perf_counter()
        records = ungil.Array(records)
        building = time.perf_counter() - start
    with ThreadPoolExecutor(workers) as pool:
        start = time.perf_counter()
        WORKLOADS[workload](records, pool, workers)
        took = time.perf_counter() - start
    assert records[0] == "NAME0 MIDDLENAME0 SURNAME0" and records[count - 1].isupper()
    print(json.dumps([took, building]))


def configurations(options):
    """Yields (workload, name, interpreter, container) of everything that is compared."""
    for workload in WORKLOADS:
        if workload != "copied-local":
            yield workload, "GIL, list", options.gil, "list"
            yield workload, "free-threaded, list", options.free, "list"
        yield workload, "free-threaded, Array", options.free, "Array"


def compare(options):
    threads = [int(n) for n in options.threads.split(",")]
    points = [
        (configuration, n)
        for configuration in configurations(options)
        for n in threads
        if not options.only or configuration[0] == options.only
    ]
    times, building = {}, {}
    for _ in range(options.blocks):
        for (workload, name, python, kind), n in random.sample(points, len(points)):
            command = [python, __file__, "--run", workload, kind, str(options.records), str(n)]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            took, built = json.loads(out)
            times.setdefault((workload, name, n), []).append(took)
            building.setdefault((workload, name, n), []).append(built)
    print(f"{options.records} records, {options.blocks} blocks; seconds: median (min, max)")
    for (workload, name, _, kind), n in points:
        some = times[workload, name, n]
        base = times.get((workload, "GIL, list", n)) or times.get(("copied", "GIL, list", n))
        ratio = (
            f"  {statistics.median(base) / statistics.median(some):5.2f}x of GIL, list"
            if base
            else ""
        )
        built = (
            f"  (+ {statistics.median(building[workload, name, n]):.3f} to build it)"
            if kind == "Array"
            else ""
        )
        median = statistics.median(some)
        print(
            f"{workload:13s}{name:22s}{n:3d} threads  "
            f"{median:.3f} ({min(some):.3f}, {max(some):.3f}){ratio}{built}"
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
