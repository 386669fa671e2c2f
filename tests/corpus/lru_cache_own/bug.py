"""Keeps the squares that were used last."""

import threading
from collections import OrderedDict


class Cache:
    def __init__(self, size):
        self.size = size
        self.data = OrderedDict()

    def get(self, key):
        if key in self.data:
            self.data.move_to_end(key)
            return self.data[key]
        self.data[key] = key * key
        if len(self.data) > self.size:
            self.data.popitem(last=False)
        return key * key


def work(cache, numbers, results):
    results.append(sum(cache.get(number) for number in numbers))


def main():
    cache = Cache(4)
    results = []
    numbers = [1, 2, 3, 1, 4, 5, 6, 2] * 5
    threads = [threading.Thread(target=work, args=(cache, numbers, results)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [480] * 3, results


if __name__ == "__main__":
    main()
