"""Three parts of a block manager that take the locks in one order."""

import threading

REFERENCES = threading.Lock()
BLOCKS = threading.Lock()
STORES = threading.Lock()
STEPS = []


def put():
    with REFERENCES, BLOCKS:
        STEPS.append("put")


def persist():
    with BLOCKS, STORES:
        STEPS.append("persist")


def drop():
    with REFERENCES, STORES:
        STEPS.append("drop")


def main():
    threads = [threading.Thread(target=step) for step in (put, persist, drop)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(STEPS) == ["drop", "persist", "put"], STEPS


if __name__ == "__main__":
    main()
