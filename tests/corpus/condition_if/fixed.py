"""Two consumers wait on a Condition until there is an item."""

import threading


class Buffer:
    def __init__(self):
        self.changed = threading.Condition()
        self.items = []

    def put(self, item):
        with self.changed:
            self.items.append(item)
            self.changed.notify_all()

    def get(self):
        with self.changed:
            while not self.items:
                self.changed.wait()
            return self.items.pop()


def consume(buffer, got):
    for _ in range(200):
        got.append(buffer.get())


def main():
    buffer = Buffer()
    got = []
    threads = [threading.Thread(target=consume, args=(buffer, got)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for item in range(400):
        buffer.put(item)
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(400)), len(got)


if __name__ == "__main__":
    main()
