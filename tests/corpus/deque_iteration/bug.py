"""Copies a scope's breadcrumbs while another thread adds some."""

import threading
from collections import deque


class Scope:
    def __init__(self):
        self.breadcrumbs = deque(maxlen=20)

    def add(self, crumb):
        self.breadcrumbs.append(crumb)

    def fork(self):
        return [crumb.upper() for crumb in self.breadcrumbs]


def record(scope):
    for number in range(60):
        scope.add(f"crumb {number}")


def report(scope, forks):
    for _ in range(10):
        forks.append(scope.fork())


def main():
    scope = Scope()
    forks = []
    threads = [
        threading.Thread(target=record, args=(scope,)),
        threading.Thread(target=report, args=(scope, forks)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(forks) == 10, "a fork failed"


if __name__ == "__main__":
    main()
