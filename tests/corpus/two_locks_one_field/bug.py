"""Keeps the size of a mailbox that two parts of a program change."""

import threading


class Mailbox:
    def __init__(self):
        self.receive_lock = threading.Lock()
        self.send_lock = threading.Lock()
        self.size = 0


def receive(mailbox):
    for _ in range(40):
        with mailbox.receive_lock:
            mailbox.size += 2


def send(mailbox):
    for _ in range(40):
        with mailbox.send_lock:
            mailbox.size -= 1


def main():
    mailbox = Mailbox()
    threads = [
        threading.Thread(target=receive, args=(mailbox,)),
        threading.Thread(target=send, args=(mailbox,)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mailbox.size == 40, mailbox.size


if __name__ == "__main__":
    main()
