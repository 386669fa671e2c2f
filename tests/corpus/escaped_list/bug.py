"""Adds rows to a table under a lock and reads the table in another thread."""

import threading


class Table:
    def __init__(self):
        self._lock = threading.Lock()
        self._rows = []

    def add(self, row):
        with self._lock:
            self._rows.append(row)

    def rows(self):
        with self._lock:
            return self._rows


def fill(table):
    for number in range(60):
        table.add(number)


def check(table, checks):
    for _ in range(10):
        rows = table.rows()
        before = len(rows)
        checks.append(sum(1 for _ in rows) == before)


def main():
    table = Table()
    checks = []
    threads = [
        threading.Thread(target=fill, args=(table,)),
        threading.Thread(target=check, args=(table, checks)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(checks), "the rows changed while they were read"


if __name__ == "__main__":
    main()
