"""Loads the handler of a mode once; other threads wait on a Condition for it."""

import threading


class Registry:
    def __init__(self):
        self.changed = threading.Condition()
        self.loaders = {"json": self.load}
        self.handlers = {}

    def load(self):
        return "".join(["json", " ", "handler"])

    def get(self, mode):
        with self.changed:
            loader = self.loaders.pop(mode, None)
        if loader is not None:
            handler = loader()
            with self.changed:
                self.handlers[mode] = handler
                self.changed.notify_all()
            return handler
        with self.changed:
            self.changed.wait_for(lambda: mode in self.handlers)
            return self.handlers[mode]


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
