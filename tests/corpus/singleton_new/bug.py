"""Makes one manager for all threads in __new__."""

import threading


class Manager:
    _instance = None

    def __new__(cls):
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance


def main():
    managers = []
    threads = [threading.Thread(target=lambda: managers.append(Manager())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(manager) for manager in managers}) == 1, "there are two managers"


if __name__ == "__main__":
    main()
