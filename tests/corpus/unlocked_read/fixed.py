"""Counts hits and misses of a cache; the reporter reads both under the lock."""

import threading


class Counter:
    def __init__(self):
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 1000

    def turn_miss_into_hit(self):
        with self._lock:
            self.hits += 1
            self.misses -= 1

    def lookups(self):
        with self._lock:
            hits, misses = self.hits, self.misses
        return hits + misses


def warm(counter):
    for _ in range(1000):
        counter.turn_miss_into_hit()


def report(counter, reports):
    for _ in range(500):
        reports.append(counter.lookups())


def main():
    counter = Counter()
    reports = []
    threads = [
        threading.Thread(target=warm, args=(counter,)),
        threading.Thread(target=report, args=(counter, reports)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(reports) == {1000}, set(reports)


if __name__ == "__main__":
    main()
