"""Hands the items of a generator to several threads through a locked iterator."""

import threading


def load_bundles(count):
    for number in range(count):
        yield f"bundle-{number}"


class Locked:
    def __init__(self, iterator):
        self._lock = threading.Lock()
        self._iterator = iterator

    def __iter__(self):
        return self

    def __next__(self):
        with self._lock:
            return next(self._iterator)


def work(bundles, seen, ended):
    for bundle in bundles:
        seen.append(bundle)
    ended.append(True)


def main():
    seen, ended = [], []
    bundles = Locked(load_bundles(600))
    threads = [threading.Thread(target=work, args=(bundles, seen, ended)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 600 and len(ended) == 3, (len(seen), ended)


if __name__ == "__main__":
    main()
