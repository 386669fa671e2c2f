"""Collects values in a histogram whose methods all hold a lock."""

import threading


class Histogram:
    def __init__(self):
        self._lock = threading.Lock()
        self.count = self.total = self.largest = 0

    def add(self, value):
        with self._lock:
            self._add_locked(1, value, value)

    def _add_locked(self, count, total, largest):
        self.count += count
        self.total += total
        self.largest = max(self.largest, largest)

    def fields(self):
        with self._lock:
            return self.count, self.total, self.largest

    def mean(self):
        with self._lock:
            return self.total / self.count

    def merge(self, other):
        fields = other.fields()
        with self._lock:
            self._add_locked(*fields)


def collect(histogram, merges):
    for value in range(300):
        if merges:
            part = Histogram()
            part.add(value)
            histogram.merge(part)
        else:
            histogram.add(value)


def main():
    histogram = Histogram()
    threads = [threading.Thread(target=collect, args=(histogram, flag)) for flag in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert histogram.count == 600 and histogram.mean() == 149.5, histogram.count


if __name__ == "__main__":
    main()
