"""Counts matching lines of several files; the tasks return their counts."""

from concurrent.futures import ThreadPoolExecutor

HITS = 0
FILES = [["error: a", "ok", "error: b"] * 100, ["ok", "error: c"] * 100, ["ok"] * 300]


def scan(lines):
    hits = 0
    for line in lines:
        if line.startswith("error"):
            hits += 1
    return hits


def main():
    global HITS
    with ThreadPoolExecutor(max_workers=3) as pool:
        for hits in pool.map(scan, FILES):
            HITS += hits
    assert HITS == 300, HITS


if __name__ == "__main__":
    main()
