"""Guards each key's value with a lock of its own, made under a lock of the dictionary."""

import threading

LOCKS = {}
LOCKS_LOCK = threading.Lock()
VALUES = {"x": 0, "y": 0}


def lock_of(key):
    with LOCKS_LOCK:
        if key not in LOCKS:
            LOCKS[key] = threading.Lock()
        return LOCKS[key]


def add(key):
    for _ in range(500):
        with lock_of(key):
            VALUES[key] += 1


def main():
    threads = [threading.Thread(target=add, args=(key,)) for key in ("x", "x", "y")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert VALUES == {"x": 1000, "y": 500}, VALUES


if __name__ == "__main__":
    main()
