"""Measures the cost of tracing allocations: the same program alone, under `ungil profile --mode alloc`, tracemalloc and memray.

    python3 bench/alloc.py UNGIL PYTHON [ROUNDS]

The program measures its own CPU time, so that neither the start-up of a tool nor its report nor other processes count.
Every round runs every arm once in random order. Prints the median time, and the median of the ratios to the run alone in the
same round. memray is an arm if PYTHON can import it.
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile

PROGRAM = """
import sys, time
def work(n):
    kept = []
    for i in range(n):
        record = {"id": i * 1000003, "name": f"name {i}", "values": [i * 1.5, i * 2.5, i * 3.5]}
        if i % 10 == 0:
            kept.append(record)
    return kept
def deep(depth, n):
    return deep(depth - 1, n) if depth else work(n)
began = time.process_time()
kept = deep(20, 100_000)
with open(sys.argv[1], "w") as file:
    file.write(str(time.process_time() - began))
"""


def arms(ungil, python):
    """Returns the command of each arm without the program and its argument."""
    profile = [ungil, "profile", "--mode", "alloc", "--python", python, "--format", "recording"]
    found = {
        "alone": [python],
        "ungil, every 64 KiB": [*profile],
        "ungil, every block": [*profile, "--every", "1"],
        "tracemalloc, 1 frame": [python, "-X", "tracemalloc=1"],
        "tracemalloc, 20 frames": [python, "-X", "tracemalloc=20"],
    }
    if (
        subprocess.run([python, "-c", "from memray import Tracker"], capture_output=True).returncode
        == 0
    ):
        memray = [python, "-m", "memray", "run", "-q", "-f", "-o", "out.bin"]
        found["memray, malloc and arenas"] = memray
        found["memray, every block"] = [*memray, "--trace-python-allocators"]
    return found


def run_once(name, command):
    mark = ["--"] if name.startswith("ungil") else []
    subprocess.run([*command, "work.py", *mark, "seconds"], check=True, stdout=subprocess.DEVNULL)
    with open("seconds") as file:
        return float(file.read())


def main(ungil, python, rounds="7"):
    commands = arms(os.path.abspath(ungil), os.path.abspath(python))
    seconds = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with open("work.py", "w") as file:
            file.write(PROGRAM)
        for _ in range(int(rounds)):
            for name in random.sample(list(commands), len(commands)):
                seconds[name].append(run_once(name, commands[name]))
            print(*(f"{times[-1]:.3f}" for times in seconds.values()), file=sys.stderr, flush=True)
        os.chdir("/")
    for name, times in seconds.items():
        ratios = [time / alone for time, alone in zip(times, seconds["alone"])]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(
            f"{name:27} {statistics.median(times):7.3f} s  x {statistics.median(ratios):.2f}  ({spread})"
        )


main(*sys.argv[1:])
