"""Reads switches from an immutable cache that a reset invalidates."""

import threading
from types import MappingProxyType


class Switches:
    def __init__(self):
        self._cache = None

    def _read(self):
        return MappingProxyType({"dark": True, "beta": False})

    def __getitem__(self, name):
        cache = self._cache
        if cache is None:
            cache = self._cache = self._read()
        return cache[name]

    def reset(self):
        self._cache = None


def ask(switches, answers):
    for _ in range(500):
        answers.append(switches["dark"])


def reset(switches):
    for _ in range(200):
        switches.reset()


def main():
    switches = Switches()
    answers = []
    threads = [threading.Thread(target=ask, args=(switches, answers)) for _ in range(2)]
    threads.append(threading.Thread(target=reset, args=(switches,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 1000, len(answers)


if __name__ == "__main__":
    main()
