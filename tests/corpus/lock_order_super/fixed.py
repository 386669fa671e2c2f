"""Prepares and clears a memory; mode_lock always comes before the base class's lock."""

import threading


class Memory:
    def __init__(self):
        self.lock = threading.RLock()
        self.items = []

    def snapshot(self):
        with self.lock:
            return list(self.items)

    def clear(self):
        with self.lock:
            self.items.clear()


class ModeMemory(Memory):
    def __init__(self):
        super().__init__()
        self.mode_lock = threading.Lock()

    def prepare(self):
        with self.mode_lock:
            return self.snapshot()

    def clear(self):
        with self.mode_lock:
            super().clear()


def main():
    memory = ModeMemory()
    threads = []
    for _ in range(3):
        threads.append(threading.Thread(target=memory.prepare))
        threads.append(threading.Thread(target=memory.clear))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memory.prepare() == []


if __name__ == "__main__":
    main()
