"""Opens a database once; the flag without a lock is set after everything else."""

import threading


class Database:
    def __init__(self):
        self._lock = threading.Lock()
        self._ready = False
        self._tables = None
        self.opened = 0

    def _open_locked(self):
        self._tables = {f"table{number}": number for number in range(100)}
        self.opened += 1

    def table(self, name):
        if not self._ready:
            with self._lock:
                if not self._ready:
                    self._open_locked()
                    self._ready = True
        return self._tables[name]


def query(database, results):
    for number in range(100):
        results.append(database.table(f"table{number}") == number)


def main():
    for _ in range(10):
        database = Database()
        results = []
        threads = [threading.Thread(target=query, args=(database, results)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert database.opened == 1 and results == [True] * 300


if __name__ == "__main__":
    main()
