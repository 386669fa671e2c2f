"""Ignores warnings inside a context manager that sets a ContextVar."""

import threading
from contextlib import contextmanager
from contextvars import ContextVar

FILTERS = ContextVar("FILTERS", default=("default",))


@contextmanager
def ignored():
    token = FILTERS.set(("ignore", *FILTERS.get()))
    try:
        yield
    finally:
        FILTERS.reset(token)


def work(seen):
    for _ in range(200):
        with ignored():
            seen.append(FILTERS.get()[0])


def main():
    seen = []
    threads = [threading.Thread(target=work, args=(seen,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["ignore"] * 600 and FILTERS.get() == ("default",)


if __name__ == "__main__":
    main()
