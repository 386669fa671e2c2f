"""Adds readings; a semaphore limits how many threads work at a time."""

import threading


class Meter:
    def __init__(self):
        self.permits = threading.Semaphore(2)
        self.reading = 0

    def add(self, amount):
        with self.permits:
            self.reading += amount


def measure(meter):
    for amount in range(40):
        meter.add(amount)


def main():
    meter = Meter()
    threads = [threading.Thread(target=measure, args=(meter,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.reading == 3 * sum(range(40)), meter.reading


if __name__ == "__main__":
    main()
