"""Adds amounts under a lock that is the default of an argument."""

import threading

TOTAL = 0


def add(amount, lock=threading.Lock()):  # noqa: B008 - one lock for all calls
    global TOTAL
    with lock:
        TOTAL += amount


def book(amounts):
    for amount in amounts:
        add(amount)


def main():
    threads = [threading.Thread(target=book, args=(range(1000),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = 3 * sum(range(1000))
    assert expected == TOTAL, TOTAL


if __name__ == "__main__":
    main()
