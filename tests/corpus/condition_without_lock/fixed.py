"""Waits until every door of a gate is open; the Condition's lock guards the count."""

import threading


class Gate:
    def __init__(self, doors):
        self.changed = threading.Condition()
        self.doors = doors
        self.open_doors = 0

    def open(self):
        with self.changed:
            self.open_doors += 1
            if self.open_doors == self.doors:
                self.changed.notify_all()

    def wait_open(self):
        with self.changed:
            return self.changed.wait_for(lambda: self.open_doors == self.doors, timeout=4)


def main():
    for _ in range(10):
        gate = Gate(3)
        threads = [threading.Thread(target=gate.open) for _ in range(3)]
        for thread in threads:
            thread.start()
        opened = gate.wait_open()
        for thread in threads:
            thread.join()
        assert opened, gate.open_doors


if __name__ == "__main__":
    main()
