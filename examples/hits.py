"""Counts requests in several threads, without a lock."""

import threading


class Counter:
    def __init__(self):
        self.hits = 0

    def count(self):
        self.hits += 1


def serve(counter):
    for _ in range(100):
        counter.count()


if __name__ == "__main__":
    counter = Counter()
    threads = [threading.Thread(target=serve, args=(counter,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(counter.hits)
