"""Three parts of a block manager that each take two of three locks."""

import threading

REFERENCES = threading.Lock()
BLOCKS = threading.Lock()
STORES = threading.Lock()
STEPS = []


def put():
    with REFERENCES:
        with BLOCKS:
            STEPS.append("put")


def persist():
    with BLOCKS, STORES:
        STEPS.append("persist")


def drop():
    with STORES:
        with REFERENCES:
            STEPS.append("drop")


def main():
    for step in (put, persist, drop):
        thread = threading.Thread(target=step)
        thread.start()
        thread.join()
    assert STEPS == ["put", "persist", "drop"], STEPS


if __name__ == "__main__":
    main()
