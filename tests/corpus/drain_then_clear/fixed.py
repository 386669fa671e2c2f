"""A worker that clears its event before it empties its inbox."""

import threading
from collections import deque


class Worker:
    def __init__(self):
        self.wake = threading.Event()
        self.inbox = deque()
        self.handled = []

    def send(self, message):
        self.inbox.append(message)
        self.wake.set()

    def run(self, count):
        while len(self.handled) < count:
            self.wake.wait()
            self.wake.clear()
            while self.inbox:
                self.handled.append(self.inbox.popleft())


def main():
    worker = Worker()
    thread = threading.Thread(target=worker.run, args=(500,))
    thread.start()
    for number in range(500):
        worker.send(number)
    thread.join()
    assert worker.handled == list(range(500)), len(worker.handled)


if __name__ == "__main__":
    main()
