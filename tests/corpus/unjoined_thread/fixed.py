"""Computes a sum in a thread and joins the thread before it reads the sum."""

import threading

RESULTS = {"sum": None}


def compute(numbers):
    total = 0
    for number in numbers:
        total += number
    RESULTS["sum"] = total


def main():
    thread = threading.Thread(target=compute, args=(range(2000),))
    thread.start()
    thread.join()
    total = RESULTS["sum"]
    assert total == sum(range(2000)), total


if __name__ == "__main__":
    main()
