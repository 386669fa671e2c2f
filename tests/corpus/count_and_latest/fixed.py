"""Numbers the requests and keeps the number of the latest one under a lock."""

import itertools
import threading


class Statistics:
    def __init__(self):
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        self.latest = 0

    def request(self):
        with self.lock:
            self.latest = number = next(self.numbers)
        return number


def work(statistics):
    for _ in range(1000):
        statistics.request()


def main():
    statistics = Statistics()
    threads = [threading.Thread(target=work, args=(statistics,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statistics.latest == 3000, statistics.latest


if __name__ == "__main__":
    main()
