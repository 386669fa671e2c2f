"""Changes the number of items in a store whose methods hold a lock."""

import threading


class Store:
    def __init__(self):
        self._lock = threading.Lock()
        self._values = {"stock": 0}

    def get(self, key):
        with self._lock:
            return self._values[key]

    def set(self, key, value):
        with self._lock:
            self._values[key] = value


def deliver(store):
    for _ in range(40):
        store.set("stock", store.get("stock") + 1)


def main():
    store = Store()
    threads = [threading.Thread(target=deliver, args=(store,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("stock") == 120, store.get("stock")


if __name__ == "__main__":
    main()
