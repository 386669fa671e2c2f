"""Collects the lines of several threads in a deque and joins them at the end."""

import threading
from collections import deque


class Log:
    def __init__(self):
        self.lines = deque()

    def write(self, line):
        self.lines.append(line)

    def text(self):
        return "\n".join(self.lines)


def work(log, name):
    for number in range(300):
        log.write(f"{name} {number}")


def main():
    log = Log()
    threads = [threading.Thread(target=work, args=(log, name)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.text().splitlines()) == 900


if __name__ == "__main__":
    main()
