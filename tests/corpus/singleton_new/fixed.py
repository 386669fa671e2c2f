"""Makes one manager for all threads in a metaclass with a lock."""

import threading


class Singleton(type):
    def __init__(cls, name, bases, namespace):
        super().__init__(name, bases, namespace)
        cls._instance = None
        cls._instance_lock = threading.Lock()

    def __call__(cls, *args, **kwargs):
        instance = cls._instance
        if instance is None:
            with cls._instance_lock:
                instance = cls._instance
                if instance is None:
                    instance = cls._instance = super().__call__(*args, **kwargs)
        return instance


class Manager(metaclass=Singleton):
    def __init__(self):
        self.clients = {}


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
