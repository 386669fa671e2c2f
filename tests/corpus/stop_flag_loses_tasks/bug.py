"""A worker that ends when a flag is set."""

import queue
import threading


class Worker:
    def __init__(self):
        self.tasks = queue.Queue()
        self.stopping = False
        self.done = []

    def run(self):
        while not self.stopping:
            try:
                task = self.tasks.get(timeout=0.01)
            except queue.Empty:
                continue
            self.done.append(task)

    def stop(self):
        self.stopping = True


def main():
    worker = Worker()
    thread = threading.Thread(target=worker.run)
    thread.start()
    for task in range(50):
        worker.tasks.put(task)
    worker.stop()
    thread.join()
    assert worker.done == list(range(50)), f"{50 - len(worker.done)} tasks are lost"


if __name__ == "__main__":
    main()
