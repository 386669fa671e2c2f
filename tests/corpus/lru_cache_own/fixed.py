"""Keeps the squares that were used last, under an RLock."""

import threading
from collections import OrderedDict


class Cache:
    def __init__(self, size):
        self.size = size
        self.data = OrderedDict()
        self.lock = threading.RLock()

    def get(self, key):
        with self.lock:
            if key in self.data:
                self.data.move_to_end(key)
                return self.data[key]
            return self.put(key, key * key)

    def put(self, key, value):
        with self.lock:
            self.data[key] = value
            if len(self.data) > self.size:
                self.data.popitem(last=False)
            return value


def work(cache, numbers, results):
    results.append(sum(cache.get(number) for number in numbers))


def main():
    cache = Cache(4)
    results = []
    numbers = [1, 2, 3, 1, 4, 5, 6, 2] * 50
    threads = [threading.Thread(target=work, args=(cache, numbers, results)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [4800] * 3, results


if __name__ == "__main__":
    main()
