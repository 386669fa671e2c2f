"""Two opposite transfers that take the locks in the order of the numbers."""

import threading


class Account:
    def __init__(self, number, balance):
        self.number = number
        self.balance = balance
        self.lock = threading.Lock()


def transfer(source, target, amount, both_started, done):
    both_started.wait()
    first, second = sorted((source, target), key=lambda account: account.number)
    with first.lock, second.lock:
        source.balance -= amount
        target.balance += amount
        done.append(source.number)


def main():
    first, second = Account(1, 100), Account(2, 100)
    both_started = threading.Barrier(2, timeout=4)
    done = []
    threads = [
        threading.Thread(target=transfer, args=(first, second, 5, both_started, done)),
        threading.Thread(target=transfer, args=(second, first, 7, both_started, done)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [1, 2] and first.balance == 102


if __name__ == "__main__":
    main()
