"""Opens at most two connections at a time, which a BoundedSemaphore counts."""

import threading

LIMIT = 2


class Pool:
    def __init__(self):
        self._permits = threading.BoundedSemaphore(LIMIT)
        self._lock = threading.Lock()
        self._size = 0
        self.peak = 0

    def use(self):
        with self._permits:
            with self._lock:
                self._size += 1
                self.peak = max(self.peak, self._size)
            with self._lock:
                self._size -= 1


def work(pool):
    for _ in range(300):
        pool.use()


def main():
    pool = Pool()
    threads = [threading.Thread(target=work, args=(pool,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= pool.peak <= LIMIT, pool.peak


if __name__ == "__main__":
    main()
