"""Counts matching lines of several files in a global."""

import threading

HITS = 0
FILES = [["error: a", "ok", "error: b"] * 10, ["ok", "error: c"] * 10, ["ok"] * 30]


def scan(lines):
    global HITS
    for line in lines:
        if line.startswith("error"):
            HITS += 1


def main():
    threads = [threading.Thread(target=scan, args=(lines,)) for lines in FILES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert HITS == 30, HITS


if __name__ == "__main__":
    main()
