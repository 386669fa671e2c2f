"""Collects values in a histogram whose methods hold a lock."""

import threading


class Histogram:
    def __init__(self):
        self._lock = threading.Lock()
        self.count = self.total = self.largest = 0

    def add(self, value):
        with self._lock:
            self.count += 1
            self.total += value
            self.largest = max(self.largest, value)

    def clear(self):
        with self._lock:
            self.count = self.total = self.largest = 0

    def mean(self):
        with self._lock:
            return self.total / self.count

    def merge(self, other):
        self.count += other.count
        self.total += other.total
        self.largest = max(self.largest, other.largest)


def collect(histogram, merges):
    for value in range(30):
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
    assert histogram.count == 60 and histogram.mean() == 14.5, histogram.count


if __name__ == "__main__":
    main()
