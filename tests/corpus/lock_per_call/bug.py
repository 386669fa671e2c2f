"""Adds amounts under a lock."""

import threading

TOTAL = 0


def add(amount):
    global TOTAL
    lock = threading.Lock()
    with lock:
        TOTAL += amount


def book(amounts):
    for amount in amounts:
        add(amount)


def main():
    threads = [threading.Thread(target=book, args=(range(40),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = 3 * sum(range(40))
    assert expected == TOTAL, TOTAL


if __name__ == "__main__":
    main()
