"""A worker that ends when the queue gives it the order to stop."""

import queue
import threading

STOP = object()


class Worker:
    def __init__(self):
        self.tasks = queue.Queue()
        self.done = []

    def run(self):
        for task in iter(self.tasks.get, STOP):
            self.done.append(task)

    def stop(self):
        self.tasks.put(STOP)


def main():
    worker = Worker()
    thread = threading.Thread(target=worker.run)
    thread.start()
    for task in range(500):
        worker.tasks.put(task)
    worker.stop()
    thread.join()
    assert worker.done == list(range(500)), f"{500 - len(worker.done)} tasks are lost"


if __name__ == "__main__":
    main()
