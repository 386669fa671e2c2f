"""A journal whose begin takes the lock and whose end releases it."""

import threading


class Journal:
    def __init__(self):
        self._lock = threading.Lock()
        self.depth = 0
        self.entries = []

    def begin(self):
        self._lock.acquire()
        self.depth += 1

    def write(self, entry):
        self.entries.append((len(self.entries), entry))

    def end(self):
        self.depth -= 1
        self._lock.release()


def work(journal, name):
    for number in range(200):
        journal.begin()
        try:
            journal.write(f"{name} {number}")
            journal.write(f"{name} done")
        finally:
            journal.end()


def main():
    journal = Journal()
    threads = [threading.Thread(target=work, args=(journal, name)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.depth == 0
    assert [index for index, _ in journal.entries] == list(range(1200))


if __name__ == "__main__":
    main()
