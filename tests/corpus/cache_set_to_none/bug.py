"""Reads switches from a cache that a reset invalidates."""

import threading


class Switches:
    def __init__(self):
        self._cache = None

    def _populate(self):
        self._cache = {"dark": True, "beta": False}

    def __getitem__(self, name):
        if self._cache is None:
            self._populate()
        return self._cache[name]

    def reset(self):
        self._cache = None


def ask(switches, answers):
    for _ in range(20):
        answers.append(switches["dark"])


def reset(switches):
    for _ in range(10):
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
    assert answers == [True] * 40, len(answers)


if __name__ == "__main__":
    main()
