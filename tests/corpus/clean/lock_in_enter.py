"""A transaction whose __enter__ takes the lock of its ledger."""

import threading


class Ledger:
    def __init__(self):
        self._lock = threading.Lock()
        self.entries = 0
        self.balance = 0

    def __enter__(self):
        self._lock.acquire()
        return self

    def __exit__(self, kind, error, traceback):
        self._lock.release()
        return kind is KeyError


def book(ledger):
    for number in range(400):
        with ledger as open_ledger:
            open_ledger.entries += 1
            open_ledger.balance += 5
            if number % 50 == 0:
                raise KeyError(number)


def main():
    ledger = Ledger()
    threads = [threading.Thread(target=book, args=(ledger,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ledger:
        assert (ledger.entries, ledger.balance) == (1200, 6000), ledger.entries


if __name__ == "__main__":
    main()
