"""Stops a worker with a plain bool and reads its counts after the join."""

import threading
import time


class Worker:
    def __init__(self):
        self.stopping = False
        self.rounds = 0
        self.started = threading.Event()

    def run(self):
        while not self.stopping:
            self.rounds += 1
            if self.rounds == 10:
                self.started.set()
            if self.rounds % 100 == 0:
                time.sleep(0)


def main():
    workers = [Worker() for _ in range(2)]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    for worker in workers:
        worker.started.wait()
        worker.stopping = True
    for thread in threads:
        thread.join()
    for worker in workers:
        rounds = worker.rounds
        worker.rounds = 0
        assert rounds >= 10, rounds


if __name__ == "__main__":
    main()
