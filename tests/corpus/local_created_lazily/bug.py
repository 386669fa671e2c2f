"""Keeps values of each thread in a threading.local that the first use makes."""

import threading


class Context:
    def add(self, **values):
        if not hasattr(self, "_local"):
            self._local = threading.local()
        self._local.values = values

    def remove(self, key):
        return self._local.values.pop(key)


def task(context, number, removed):
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
    assert sorted(removed) == [0, 1, 2, 3], removed


if __name__ == "__main__":
    main()
