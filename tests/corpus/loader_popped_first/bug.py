"""Loads the handler of a mode when it is first asked for."""

import threading


class Registry:
    def __init__(self):
        self.loaders = {"json": self.load}
        self.handlers = {}

    def load(self):
        return "".join(["json", " ", "handler"])

    def get(self, mode):
        if mode in self.handlers:
            return self.handlers[mode]
        if mode in self.loaders:
            loader = self.loaders.pop(mode)
            self.handlers[mode] = loader()
            return self.handlers[mode]
        raise LookupError(mode)


def call(registry, results):
    results.append(registry.get("json"))


def main():
    registry = Registry()
    results = []
    threads = [threading.Thread(target=call, args=(registry, results)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["json handler"] * 4, results


if __name__ == "__main__":
    main()
