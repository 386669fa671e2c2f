"""Keeps values of each thread in a threading.local that the constructor makes."""

import threading


class Context:
    def __init__(self):
        self._local = threading.local()

    def add(self, **values):
        self._local.values = values

    def remove(self, key):
        return self._local.values.pop(key)


def task(context, number, removed):
    for _ in range(100):
        context.add(task=number)
        removed.append(context.remove("task"))


def main():
    context = Context()
    removed = []
    threads = [
        threading.Thread(target=task, args=(context, number, removed)) for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(removed) == sorted([0, 1, 2, 3] * 100)


if __name__ == "__main__":
    main()
