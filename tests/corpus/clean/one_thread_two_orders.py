"""A thread that takes two locks in both orders while others take one at a time."""

import threading

INPUT = threading.Lock()
OUTPUT = threading.Lock()
COUNTS = {"in": 0, "out": 0}


def pump():
    for _ in range(100):
        with INPUT, OUTPUT:
            COUNTS["in"] += 1
            COUNTS["out"] += 1
        with OUTPUT, INPUT:
            COUNTS["in"] -= 1
            COUNTS["out"] += 1


def count(lock, name):
    for _ in range(200):
        with lock:
            COUNTS[name] += 1


def main():
    threads = [
        threading.Thread(target=pump),
        threading.Thread(target=count, args=(INPUT, "in")),
        threading.Thread(target=count, args=(OUTPUT, "out")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert COUNTS == {"in": 200, "out": 400}, COUNTS


if __name__ == "__main__":
    main()
