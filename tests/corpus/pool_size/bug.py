"""Opens at most two connections at a time."""

import threading

LIMIT = 2


class Pool:
    def __init__(self):
        self.size = 0
        self.sizes = []

    def open(self):
        if self.size < LIMIT:
            self.size += 1
            self.sizes.append(self.size)
            return True
        return False

    def close(self):
        self.size -= 1


def work(pool):
    for _ in range(30):
        if pool.open():
            pool.close()


def main():
    pool = Pool()
    threads = [threading.Thread(target=work, args=(pool,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(pool.sizes) <= LIMIT and pool.size == 0, pool.size


if __name__ == "__main__":
    main()
