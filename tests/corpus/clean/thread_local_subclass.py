"""Counts in a subclass of threading.local, whose __init__ runs in every thread."""

import threading


class Local(threading.local):
    def __init__(self, start):
        self.count = start
        self.names = []

    def add(self, name):
        self.count += 1
        self.names.append(name)


def work(local, results):
    me = threading.current_thread().name
    for _ in range(300):
        local.add(me)
    results.append((local.count, set(local.names) == {me}))


def main():
    local = Local(10)
    local.add("main")
    results = []
    threads = [threading.Thread(target=work, args=(local, results)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(310, True)] * 3, results
    assert (local.count, local.names) == (11, ["main"])


if __name__ == "__main__":
    main()
