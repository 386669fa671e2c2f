"""Reads a scope's breadcrumbs from a tuple that writers replace as a whole."""

import threading


class Scope:
    def __init__(self):
        self._write = threading.Lock()
        self._breadcrumbs = ()

    def add(self, crumb):
        with self._write:
            self._breadcrumbs = (*self._breadcrumbs[-19:], crumb)

    def fork(self):
        return [crumb.upper() for crumb in self._breadcrumbs]


def record(scope):
    for number in range(500):
        scope.add(f"crumb {number}")


def report(scope, forks):
    for _ in range(200):
        forks.append(scope.fork())


def main():
    scope = Scope()
    forks = []
    threads = [
        threading.Thread(target=record, args=(scope,)),
        threading.Thread(target=record, args=(scope,)),
        threading.Thread(target=report, args=(scope, forks)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(forks) == 200, "a fork failed"
    assert len(scope.fork()) == 20


if __name__ == "__main__":
    main()
