"""Registers plugins by name; a name may be taken once."""

import threading


class Registry:
    def __init__(self):
        self.items = {}

    def add(self, name, item):
        if name in self.items:
            raise ValueError(name)
        self.items[name] = item


def register(registry, accepted):
    plugin = object()
    try:
        registry.add("parser", plugin)
    except ValueError:
        return
    accepted.append(plugin)


def main():
    registry = Registry()
    accepted = []
    threads = [threading.Thread(target=register, args=(registry, accepted)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert accepted == [registry.items["parser"]], "two plugins were accepted"


if __name__ == "__main__":
    main()
