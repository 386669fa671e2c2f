"""Registers plugins by name with dict.setdefault; a name may be taken once."""

import threading


class Registry:
    def __init__(self):
        self.items = {}

    def add(self, name, item):
        if self.items.setdefault(name, item) is not item:
            raise ValueError(name)


def register(registry, accepted):
    for number in range(200):
        plugin = object()
        try:
            registry.add(f"parser-{number}", plugin)
        except ValueError:
            continue
        accepted.append(plugin)


def main():
    registry = Registry()
    accepted = []
    threads = [threading.Thread(target=register, args=(registry, accepted)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(accepted) == set(registry.items.values()) and len(accepted) == 200


if __name__ == "__main__":
    main()
