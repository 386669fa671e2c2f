"""Compares the suite's workloads with the study's programs, at equal sizes and thread counts, in one interleaved run.

    python3 bench/original.py CLONE [--blocks 10] [--scale 1] [WORKLOAD ...]

CLONE is a clone of the GitHub repository Joseda8/profiler. Each workload has four arms, run once per block in random order:
ours and theirs, with and without the GIL. Their programs are unchanged; their marks are mapped to `ungil_phase`, their pause
before the work is skipped, and the thread pool's module, which they would import inside the phase, is imported before it.
All arms collect garbage before the phase: otherwise a few objects more or less could decide whether a collection happens in it.

Prints the ratio free-threaded / GIL, ours and theirs (geometric mean over blocks, Student's 95 % interval), and the quotient of
the two, which agrees if its interval contains 1; for wall time and for CPU time, which a busy machine disturbs less. `ungil`
must be on PATH or named by UNGIL_BIN, and NumPy installed by `ungil suite`.
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import tempfile

SCENARIOS = "test_cases/projects/energy_consumption/scenarios"
THREADS = "--num_workers {w} "
# Name: their program, their arguments, a size that takes one or two tenths of a second.
WORKLOADS = {
    "numpy_vectorized": ("numpy/0", "--length {n}", 5_000_000),
    "numpy_blas": ("numpy/1", "--size {n}", 1500),
    "numpy_fft": ("numpy/2", "--length {n}", 2_000_000),
    "mandelbrot": ("sequential/0", "--size {n}", 150),
    "bubble_sort": ("sequential/1", "--num_items {n}", 1200),
    "prime_sieve": ("sequential/2", "--limit {n}", 1_000_000),
    "factorial": ("threads_numerical/0", THREADS + "--max_value {n}", 1600),
    "matmul": ("threads_numerical/1", THREADS + "--matrix_size {n}", 120),
    "nbody": ("threads_numerical/2", THREADS + "--num_particles {n} --num_steps 10", 150),
    "json_parse": ("threads_objects/0", THREADS + "--num_records {n}", 10_000),
    "object_lists_nocopy": ("threads_objects/1", THREADS + "--num_records {n}", 500_000),
    "object_lists_copy": ("threads_objects/2", THREADS + "--num_records {n}", 500_000),
    "object_lists": ("threads_objects/3", THREADS + "--num_records {n}", 100_000),
}
MARKS = """\
import gc
import time
import concurrent.futures.thread
import ungil_phase

time.sleep = lambda seconds: None

def set_tag(name):
    if name.startswith("start"):
        gc.collect()
        ungil_phase.start()
    else:
        ungil_phase.end()

def set_output_filename(filename):
    pass
"""
# 97.5 % quantiles of Student's t by degrees of freedom; in between, the next lower degree (larger quantile) is used.
STUDENT = {4: 2.776, 5: 2.571, 7: 2.365, 9: 2.262, 11: 2.201, 14: 2.145, 19: 2.093, 29: 2.045}


def interval(logs):
    degrees = max(d for d in STUDENT if d <= len(logs) - 1)
    half = STUDENT[degrees] * statistics.stdev(logs) / math.sqrt(len(logs))
    mean = statistics.fmean(logs)
    return tuple(math.exp(x) for x in (mean, mean - half, mean + half))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def measure(name, options, folder, ungil):
    where, arguments, size = WORKLOADS[name]
    size = max(16, int(size * options.scale))
    program = pathlib.Path(options.original, SCENARIOS, where, name + ".py").resolve()
    home = pathlib.Path(
        os.environ.get("UNGIL_HOME", pathlib.Path.home() / ".local/share/ungil"), "suite/packages"
    )
    parallel = "{w}" in arguments
    record = folder / f"{name}.jsonl"
    command = [
        ungil,
        "compare",
        str(folder / "ours" / f"{name}.py"),
        "--python",
        ",".join(options.pythons),
        "--energy",
        "off",
        "-q",
    ]
    command += [
        "--blocks",
        str(options.blocks),
        "--max-blocks",
        str(options.blocks),
        "--allow-different-output",
        "--out",
        str(record),
    ]
    for arm, python in zip(("theirs-gil", "theirs-free"), options.pythons):
        found = subprocess.run(
            [ungil, "pythons", "--json"], check=True, capture_output=True, text=True
        ).stdout
        path = next(
            i["executable"] for i in json.loads(found)["interpreters"] if i["name"] == python
        )
        tag = "cpython-" + python.replace(".", "")
        words = arguments.format(n=size, w=options.workers)
        command += [
            "--also",
            f"{arm}=env PYTHONPATH={folder / 'marks'}:{home / tag} {path} {program} {words}",
        ]
    command += ["--workers", str(options.workers)] if parallel else []
    command += ["--", "--size", str(size), "--packages", str(home)] + (
        ["--workers", "{workers}"] if parallel else []
    )
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{name}: failed\n{done.stderr}")
        return
    blocks = {}
    for line in map(json.loads, record.read_text().splitlines()):
        if line["type"] == "run" and line["block"] > 0:
            assert line["marked"], f"{line['arm']} marked no phase"
            blocks.setdefault(line["block"], {})[line["arm"].split("/")[0]] = line["metrics"]
    for metric, title in ("wall_s", "time"), ("cpu_s", "CPU"):
        gil, free = options.pythons
        ours = [math.log(b[free][metric] / b[gil][metric]) for b in blocks.values()]
        theirs = [
            math.log(b["theirs-free"][metric] / b["theirs-gil"][metric]) for b in blocks.values()
        ]
        quotient = interval([a - b for a, b in zip(ours, theirs)])
        intervals = [
            "{:.2f} ({:.2f}-{:.2f})".format(*i)
            for i in (interval(ours), interval(theirs), quotient)
        ]
        word = "agrees" if quotient[1] <= 1 <= quotient[2] else "DIFFERS"
        print(
            f"{name:20s}{size:>9d}  {title:4s}  ours {intervals[0]}  theirs {intervals[1]}  quotient {intervals[2]}  {word}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("original", help="a clone of the study's repository")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="default: all thirteen")
    parser.add_argument(
        "--pythons",
        default="3.14,3.14t",
        type=lambda text: text.split(","),
        help="interpreters with and without the GIL",
    )
    parser.add_argument("--workers", type=int, default=min(12, os.cpu_count()))
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor for the sizes in this file"
    )
    options = parser.parse_intermixed_args()
    ungil = os.environ.get("UNGIL_BIN", "ungil")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run([ungil, "suite", "--export", str(folder / "ours")], check=True)
        marks = subprocess.run([ungil, "phase"], check=True, capture_output=True, text=True).stdout
        write(folder / "marks/ungil_phase.py", marks)
        write(folder / "marks/src/client_interface/__init__.py", MARKS)
        write(
            folder / "marks/test_cases/util/__init__.py",
            "def runtime_flavor_suffix():\n    return ''\n",
        )
        for name in options.workloads or WORKLOADS:
            measure(name, options, folder, ungil)


if __name__ == "__main__":
    main()
