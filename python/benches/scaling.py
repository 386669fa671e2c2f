"""Compares ungil with the standard library, cereggii and ft_utils, in millions of operations/s.

    python python/benches/scaling.py [--threads 1,2,4] [--only NAME] [--seconds S] [--blocks N]
                                     [--json FILE]

Everything runs in one process at 1..N threads. Installs nothing; a missing package is reported with
the command that installs it. The method of measurement is described in `sidebyside/timing.py` and
`sidebyside/runner.py`.
"""

import argparse
import json
import os
import platform
import random
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

from sidebyside import packages, render
from sidebyside.row import Row
from sidebyside.rows import ROWS
from sidebyside.runner import Result, run

PACKAGES = ("ungil", "cereggii", "ft_utils")


def processors() -> int:
    return os.process_cpu_count() or 1


def thread_counts(text: str) -> list[int]:
    counts = sorted({int(part) for part in text.split(",")})
    if not counts or counts[0] < 1:
        raise argparse.ArgumentTypeError("must be numbers of at least 1, separated by commas")
    return counts


def powers_of_two(limit: int) -> list[int]:
    """Returns the powers of two up to `limit`, and `limit` itself."""
    return sorted({1 << i for i in range(limit.bit_length()) if 1 << i <= limit} | {limit})


def positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--threads",
        type=thread_counts,
        default=powers_of_two(processors()),
        help="numbers of threads (default: 1,2,4,... up to the number of processors)",
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        help="run only rows whose name contains this; may be repeated",
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        default=0.1,
        help="approximate time of one measurement (default: 0.1)",
    )
    parser.add_argument(
        "--blocks", type=int, default=5, help="number of measurements of each cell (default: 5)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the order inside a block (default: 1)"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write every figure of every block, after each row",
    )
    parser.add_argument("--list", action="store_true", help="list the names of the rows and exit")
    parsed = parser.parse_args()
    if parsed.blocks < 1:
        parser.error("--blocks must be at least 1")
    return parsed


def select_rows(only: list[str] | None) -> list[Row]:
    if not only:
        return ROWS
    rows = [row for row in ROWS if any(part.lower() in row.name.lower() for part in only)]
    if not rows:
        raise SystemExit(f"no row name contains {' or '.join(only)}; --list shows the names")
    return rows


def machine() -> dict[str, Any]:
    return {
        "python": sys.version,
        "free_threaded_build": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "gil_enabled": sys._is_gil_enabled(),
        "processors": processors(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "packages": {name: packages.version(name) for name in PACKAGES},
    }


def as_json(
    about: dict[str, Any], parsed: argparse.Namespace, results: list[Result]
) -> dict[str, Any]:
    return {
        "schema": "ungil.scaling/1",
        **about,
        "seconds": parsed.seconds,
        "blocks": parsed.blocks,
        "seed": parsed.seed,
        "rows": [
            {
                "name": result.row.name,
                "what": result.row.what,
                "mops": [
                    {"contender": name, "threads": n, "blocks": figures}
                    for (name, n), figures in result.figures.items()
                ],
                "without": result.without,
                "bars": [
                    {
                        "ours": bar.ours,
                        "theirs": bar.theirs,
                        "threads": n,
                        "at_least": least,
                        "measured": ratio.median,
                    }
                    for bar in result.row.bars
                    for n, least in bar.at.items()
                    if (ratio := result.ratio(bar.ours, bar.theirs, n))
                ],
            }
            for result in results
        ],
    }


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[:100]}", end="", file=sys.stderr, flush=True)


def main() -> int:
    parsed = arguments()
    rows = select_rows(parsed.only)
    if parsed.list:
        print("\n".join(row.name for row in rows))
        return 0
    about = machine()
    print(f"Python {about['python']}")
    print(
        f"GIL {'on' if about['gil_enabled'] else 'off'}, {about['processors']} processors, "
        f"{about['system']}"
    )
    for name, version in about["packages"].items():
        print(f"{name} {version or 'is not installed: ' + packages.INSTALL_COMMANDS[name]}")
    print(
        f"Median of {parsed.blocks} interleaved blocks [lowest .. highest]; "
        f"each measurement takes about {parsed.seconds:g} s.\n"
        "The garbage collector is on. The cost of the loop is included.\n"
    )
    rng, results, begun = random.Random(parsed.seed), [], time.monotonic()
    for row in rows:
        result = run(row, parsed.threads, parsed.blocks, parsed.seconds, rng, progress)
        results.append(result)
        progress("")
        print("\n".join(render.row_table(result)) + "\n", flush=True)
        if parsed.json:
            parsed.json.write_text(json.dumps(as_json(about, parsed, results), indent=1) + "\n")
    print("\n".join(render.bar_table(results, not about["gil_enabled"])))
    print(f"\n{time.monotonic() - begun:.0f} s")
    return 1 if any(why.startswith("failed") for r in results for why in r.without.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
