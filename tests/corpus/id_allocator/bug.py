"""Gives each gateway a name with a number that no other gateway has."""

import threading


class Group:
    def __init__(self):
        self.lock = threading.Lock()
        self.last_id = 0
        self.names = []

    def allocate(self):
        name = f"gw{self.last_id}"
        with self.lock:
            self.last_id += 1
        self.names.append(name)


def open_gateways(group):
    for _ in range(40):
        group.allocate()


def main():
    group = Group()
    threads = [threading.Thread(target=open_gateways, args=(group,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(group.names)) == 120, "two gateways have the same name"


if __name__ == "__main__":
    main()
