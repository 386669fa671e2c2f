"""Two producers write to a ring buffer that is read at the end."""

import threading


class Ring:
    def __init__(self, size):
        self.slots = [None] * size
        self.tail = 0

    def put(self, item):
        self.slots[self.tail % len(self.slots)] = item
        self.tail += 1

    def items(self):
        return [item for item in self.slots if item is not None]


def produce(ring, start):
    for item in range(start, start + 40):
        ring.put(item)


def main():
    ring = Ring(100)
    threads = [threading.Thread(target=produce, args=(ring, start)) for start in (0, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ring.items()) == list(range(80)), "an item is lost"


if __name__ == "__main__":
    main()
