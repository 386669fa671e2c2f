"""Gives each gateway a name with a number of a shared itertools.count."""

import itertools
import threading


class Group:
    def __init__(self):
        self.ids = itertools.count()
        self.names = []

    def allocate(self):
        self.names.append(f"gw{next(self.ids)}")


def open_gateways(group):
    for _ in range(1000):
        group.allocate()


def main():
    group = Group()
    threads = [threading.Thread(target=open_gateways, args=(group,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(group.names)) == 3000, "two gateways have the same name"


if __name__ == "__main__":
    main()
