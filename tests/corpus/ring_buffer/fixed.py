"""Producers and a consumer of a ring buffer with two Conditions on one lock."""

import threading


class Ring:
    def __init__(self, size):
        lock = threading.Lock()
        self.not_full = threading.Condition(lock)
        self.not_empty = threading.Condition(lock)
        self.slots = [None] * size
        self.head = self.tail = 0

    def put(self, item):
        with self.not_full:
            self.not_full.wait_for(lambda: self.tail - self.head < len(self.slots))
            self.slots[self.tail % len(self.slots)] = item
            self.tail += 1
            self.not_empty.notify()

    def get(self):
        with self.not_empty:
            self.not_empty.wait_for(lambda: self.head < self.tail)
            item = self.slots[self.head % len(self.slots)]
            self.head += 1
            self.not_full.notify()
            return item


def produce(ring, start):
    for item in range(start, start + 200):
        ring.put(item)


def main():
    ring = Ring(8)
    threads = [threading.Thread(target=produce, args=(ring, start)) for start in (0, 200)]
    for thread in threads:
        thread.start()
    items = [ring.get() for _ in range(400)]
    for thread in threads:
        thread.join()
    assert sorted(items) == list(range(400)), "an item is lost"


if __name__ == "__main__":
    main()
