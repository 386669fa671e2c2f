"""Collects under a lock, then works on the collection without it."""

import threading


class Collector:
    def __init__(self):
        self.lock = threading.Lock()
        self.values = []
        self.count = 0


def collect(collector, start):
    for value in range(start, start + 300):
        with collector.lock:
            collector.values.append(value)
            collector.count += 1


def finish(collector):
    collector.values.reverse()
    collector.count += 1


def main():
    collector = Collector()
    threads = [threading.Thread(target=collect, args=(collector, start)) for start in (0, 300, 600)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    collector.values.sort()
    collector.count += 1
    last = threading.Thread(target=finish, args=(collector,))
    last.start()
    last.join()
    assert collector.values == list(range(899, -1, -1))
    assert collector.count == 902


if __name__ == "__main__":
    main()
