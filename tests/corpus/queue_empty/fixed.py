"""Takes connections from a pool with get_nowait alone and puts them back."""

import queue
import threading


class ConnectionPool:
    def __init__(self):
        self.free = queue.SimpleQueue()

    def get(self):
        try:
            return self.free.get_nowait()
        except queue.Empty:
            return {"uses": 0}

    def put(self, connection):
        self.free.put(connection)


def work(pool, done):
    for _ in range(300):
        connection = pool.get()
        connection["uses"] += 1
        pool.put(connection)
    done.append(True)


def main():
    pool = ConnectionPool()
    done = []
    threads = [threading.Thread(target=work, args=(pool, done)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    uses = 0
    while not pool.free.empty():
        uses += pool.get()["uses"]
    assert len(done) == 3 and uses == 900, uses


if __name__ == "__main__":
    main()
