"""Builds tables in one thread and publishes them to readers through queues."""

import queue
import threading


class Table:
    def __init__(self, size):
        self.rows = {}
        for number in range(size):
            self.rows[number] = number * number
        self.total = sum(self.rows.values())


def build(queues):
    for size in range(1, 40):
        table = Table(size)
        table.total += 1
        for readers_queue in queues:
            readers_queue.put(table)
    for readers_queue in queues:
        readers_queue.put(None)


def read(tables, checks):
    for table in iter(tables.get, None):
        checks.append(sum(table.rows.values()) + 1 == table.total)


def main():
    queues = [queue.SimpleQueue() for _ in range(3)]
    checks = []
    threads = [threading.Thread(target=read, args=(tables, checks)) for tables in queues]
    threads.append(threading.Thread(target=build, args=(queues,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert checks == [True] * 117, len(checks)


if __name__ == "__main__":
    main()
