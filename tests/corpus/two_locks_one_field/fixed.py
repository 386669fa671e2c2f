"""Keeps the size of a mailbox; both sides get the lock as an argument."""

import threading


class Mailbox:
    def __init__(self):
        self.size = 0


def change(mailbox, lock, amount):
    with lock:
        mailbox.size += amount


def receive(mailbox, lock):
    for _ in range(1000):
        change(mailbox, lock, 2)


def send(mailbox, lock):
    for _ in range(1000):
        change(mailbox, lock, -1)


def main():
    mailbox = Mailbox()
    lock = threading.Lock()
    threads = [
        threading.Thread(target=receive, args=(mailbox, lock)),
        threading.Thread(target=send, args=(mailbox, lock)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mailbox.size == 1000, mailbox.size


if __name__ == "__main__":
    main()
