"""Adds to the buckets of a histogram under a pool of locks."""

import threading

LOCKS = [threading.Lock() for _ in range(4)]
BUCKETS = [0] * 16


def add(value):
    bucket = value % len(BUCKETS)
    with LOCKS[bucket % len(LOCKS)]:
        BUCKETS[bucket] += 1


def work(start):
    for value in range(start, start + 800):
        add(value)


def total():
    result = 0
    for stripe, lock in enumerate(LOCKS):
        with lock:
            result += sum(BUCKETS[stripe :: len(LOCKS)])
    return result


def main():
    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 5, 11)]
    for thread in threads:
        thread.start()
    while total() < 1:
        pass
    for thread in threads:
        thread.join()
    assert sorted(BUCKETS) == [150] * 16 and total() == 2400, BUCKETS


if __name__ == "__main__":
    main()
