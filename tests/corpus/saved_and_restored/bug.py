"""Ignores warnings inside a context manager that changes a global."""

import threading
from contextlib import contextmanager

FILTERS = ["default"]


@contextmanager
def ignored():
    global FILTERS
    saved = FILTERS
    FILTERS = ["ignore", *saved]
    try:
        yield
    finally:
        FILTERS = saved


def work(seen):
    for _ in range(10):
        with ignored():
            seen.append(FILTERS[0])


def main():
    seen = []
    threads = [threading.Thread(target=work, args=(seen,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["ignore"] * 30 and FILTERS == ["default"], (seen, FILTERS)


if __name__ == "__main__":
    main()
