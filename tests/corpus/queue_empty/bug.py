"""Takes connections from a pool and puts them back."""

import queue
import threading


class ConnectionPool:
    def __init__(self):
        self.free = queue.Queue()

    def get(self):
        if self.free.empty():
            return object()
        return self.free.get_nowait()

    def put(self, connection):
        self.free.put(connection)


def work(pool, done):
    for _ in range(30):
        pool.put(pool.get())
    done.append(True)


def main():
    pool = ConnectionPool()
    done = []
    threads = [threading.Thread(target=work, args=(pool, done)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 3, "a thread found the pool empty"


if __name__ == "__main__":
    main()
