"""Numbers the requests and keeps the number of the latest one."""

import itertools
import threading


class Statistics:
    def __init__(self):
        self.numbers = itertools.count(1)
        self.latest = 0

    def request(self):
        number = next(self.numbers)
        self.latest = number
        return number


def work(statistics):
    for _ in range(40):
        statistics.request()


def main():
    statistics = Statistics()
    threads = [threading.Thread(target=work, args=(statistics,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statistics.latest == 120, statistics.latest


if __name__ == "__main__":
    main()
