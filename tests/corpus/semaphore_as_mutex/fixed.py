"""Adds readings; a semaphore with one permit lets in one thread at a time."""

import threading


class Meter:
    def __init__(self):
        self.permits = threading.Semaphore(1)
        self.reading = 0

    def add(self, amount):
        with self.permits:
            self.reading += amount


def measure(meter):
    for amount in range(400):
        meter.add(amount)


def main():
    meter = Meter()
    threads = [threading.Thread(target=measure, args=(meter,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.reading == 3 * sum(range(400)), meter.reading


if __name__ == "__main__":
    main()
