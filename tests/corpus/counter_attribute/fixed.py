"""Counts the requests of three threads in an attribute that a Lock guards."""

import threading


class Counter:
    def __init__(self):
        self._lock = threading.Lock()
        self._value = 0

    def add(self):
        with self._lock:
            self._value += 1

    @property
    def value(self):
        with self._lock:
            return self._value


def serve(counter, requests):
    for _ in range(requests):
        counter.add()


def main():
    counter = Counter()
    threads = [threading.Thread(target=serve, args=(counter, 2000)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.value == 6000, counter.value


if __name__ == "__main__":
    main()
