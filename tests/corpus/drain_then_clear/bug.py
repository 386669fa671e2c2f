"""A worker that an event wakes for new messages."""

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
            if not self.wake.wait(timeout=1):
                return
            while self.inbox:
                self.handled.append(self.inbox.popleft())
            self.wake.clear()


def main():
    worker = Worker()
    thread = threading.Thread(target=worker.run, args=(30,))
    thread.start()
    for number in range(30):
        worker.send(number)
    thread.join()
    assert worker.handled == list(range(30)), worker.handled


if __name__ == "__main__":
    main()
