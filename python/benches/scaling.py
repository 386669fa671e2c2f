"""Ours, the standard library's, cereggii's and ft_utils', side by side in one run: millions of operations a second at 1..N threads.

    python python/benches/scaling.py [--threads 1,2,4] [--only NAME] [--seconds S] [--blocks N] [--json FILE]

Installs nothing; a package that is not there is named. How a figure comes about: `sidebyside/timing.py`, `sidebyside/runner.py`.
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

from sidebyside import neighbours, words
from sidebyside.row import Row
from sidebyside.rows import ROWS
from sidebyside.runner import Result, run

PACKAGES = ("ungil", "cereggii", "ft_utils")


def processors() -> int:
    return os.process_cpu_count() or 1


def thread_counts(text: str) -> list[int]:
    counts = sorted({int(part) for part in text.split(",")})
    if not counts or counts[0] < 1:
        raise argparse.ArgumentTypeError("numbers from 1 on, with commas between")
    return counts


def doubled(most: int) -> list[int]:
    """1, 2, 4 .. and the number of processors."""
    return sorted({1 << i for i in range(most.bit_length()) if 1 << i <= most} | {most})


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
        default=doubled(processors()),
        help="default: 1,2,4 .. processors",
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        help="rows whose name has this in it; may be repeated",
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        default=0.1,
        help="about how long one timing takes (default 0.1)",
    )
    parser.add_argument(
        "--blocks", type=int, default=5, help="how often everything is timed (default 5)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of the order inside a block (default 1)"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="every figure of every block, written after each row",
    )
    parser.add_argument("--list", action="store_true", help="the rows' names, and nothing else")
    parsed = parser.parse_args()
    if parsed.blocks < 1:
        parser.error("--blocks: at least 1")
    return parsed


def chosen(only: list[str] | None) -> list[Row]:
    if not only:
        return ROWS
    rows = [row for row in ROWS if any(part.lower() in row.name.lower() for part in only)]
    if not rows:
        raise SystemExit(f"no row has {' or '.join(only)} in its name; --list shows them")
    return rows


def machine() -> dict[str, Any]:
    return {
        "python": sys.version,
        "free_threaded_build": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "gil_enabled": sys._is_gil_enabled(),
        "processors": processors(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "packages": {name: neighbours.version(name) for name in PACKAGES},
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
    rows = chosen(parsed.only)
    if parsed.list:
        print("\n".join(row.name for row in rows))
        return 0
    about = machine()
    print(f"Python {about['python']}")
    print(
        f"GIL {'on' if about['gil_enabled'] else 'off'}, {about['processors']} processors, {about['system']}"
    )
    for name, version in about["packages"].items():
        print(f"{name} {version or 'is not installed: ' + neighbours.HOW[name]}")
    print(
        f"Medians of {parsed.blocks} interleaved blocks, lowest and highest in brackets; timings of about {parsed.seconds:g} s; "
        "garbage collector on; the loop's own cost is in the figures.\n"
    )
    rng, results, begun = random.Random(parsed.seed), [], time.monotonic()
    for row in rows:
        result = run(row, parsed.threads, parsed.blocks, parsed.seconds, rng, progress)
        results.append(result)
        progress("")
        print("\n".join(words.of_row(result)) + "\n", flush=True)
        if parsed.json:
            parsed.json.write_text(json.dumps(as_json(about, parsed, results), indent=1) + "\n")
    print("\n".join(words.bars(results, not about["gil_enabled"])))
    print(f"\n{time.monotonic() - begun:.0f} s")
    return 1 if any(why.startswith("failed") for r in results for why in r.without.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
