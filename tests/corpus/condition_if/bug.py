"""Two consumers wait on a Condition for items."""

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
            if not self.items:
                self.changed.wait(timeout=3)
            return self.items.pop()


def consume(buffer, got):
    for _ in range(20):
        got.append(buffer.get())


def main():
    buffer = Buffer()
    got = []
    for item in range(38):
        buffer.put(item)
    threads = [threading.Thread(target=consume, args=(buffer, got)) for _ in range(2)]
    for thread in threads:
        thread.start()
    buffer.put(38)
    buffer.put(39)
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(40)), len(got)


if __name__ == "__main__":
    main()
