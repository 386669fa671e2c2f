"""Moves money between accounts; the sum must stay the same."""

import threading


class Account:
    def __init__(self, number, balance):
        self.number = number
        self.balance = balance


def transfer(source, target, amount):
    if source.balance >= amount:
        source.balance -= amount
        target.balance += amount


def clerk(source, target):
    for _ in range(30):
        transfer(source, target, 5)


def main():
    first, second = Account(1, 100), Account(2, 100)
    threads = [
        threading.Thread(target=clerk, args=(first, second)),
        threading.Thread(target=clerk, args=(second, first)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first.balance + second.balance == 200


if __name__ == "__main__":
    main()
