"""Peeks at the last free slot inside a context manager that wraps the lock."""

import threading
from contextlib import contextmanager

_SLOTS = list(range(500))
_SLOTS_LOCK = threading.Lock()


@contextmanager
def slots():
    _SLOTS_LOCK.acquire()
    try:
        yield _SLOTS
    finally:
        _SLOTS_LOCK.release()


def take():
    for _ in range(500):
        with slots() as free:
            free.pop()


def peek(seen):
    for _ in range(500):
        with slots() as free:
            count = len(free)
            seen.append(free[count - 1] if count > 0 else None)


def main():
    seen = []
    threads = [threading.Thread(target=take), threading.Thread(target=peek, args=(seen,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 500, "an index was out of range"


if __name__ == "__main__":
    main()
