"""A bounded buffer with two Conditions on one RLock, which is also taken alone."""

import threading


class Buffer:
    def __init__(self, limit):
        self.lock = threading.RLock()
        self.not_full = threading.Condition(self.lock)
        self.not_empty = threading.Condition(self.lock)
        self.limit = limit
        self.items = []
        self.passed = 0

    def put(self, item):
        with self.lock, self.not_full:
            while len(self.items) == self.limit:
                self.not_full.wait()
            self.items.append(item)
            self.not_empty.notify()

    def get(self):
        with self.not_empty:
            while not self.items:
                self.not_empty.wait()
            item = self.items.pop(0)
            self.passed += 1
            self.not_full.notify()
            return item

    def count(self):
        with self.lock:
            return self.passed


def produce(buffer, items):
    for item in items:
        buffer.put(item)


def main():
    buffer = Buffer(3)
    threads = [
        threading.Thread(target=produce, args=(buffer, range(start, 300, 3))) for start in range(3)
    ]
    for thread in threads:
        thread.start()
    items = [buffer.get() for _ in range(300)]
    for thread in threads:
        thread.join()
    assert sorted(items) == list(range(300)) and buffer.count() == 300


if __name__ == "__main__":
    main()
