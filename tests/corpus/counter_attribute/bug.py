"""Counts the requests of three threads in an attribute."""

import threading


class Counter:
    def __init__(self):
        self.value = 0

    def add(self):
        self.value += 1


def serve(counter, requests):
    for _ in range(requests):
        counter.add()


def main():
    counter = Counter()
    threads = [threading.Thread(target=serve, args=(counter, 50)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.value == 150, counter.value


if __name__ == "__main__":
    main()
