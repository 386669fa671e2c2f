"""Prepares and clears a memory whose base class has a lock of its own."""

import threading


class Memory:
    def __init__(self):
        self.lock = threading.RLock()
        self.items = []

    def snapshot(self):
        with self.lock:
            return list(self.items)


class ModeMemory(Memory):
    def __init__(self):
        super().__init__()
        self.mode_lock = threading.Lock()

    def prepare(self):
        with self.mode_lock:
            return self.snapshot()

    def clear(self):
        with self.lock:
            self.items.clear()
            with_mode = self.mode_lock.acquire(timeout=2)
            if with_mode:
                self.mode_lock.release()
            return with_mode


def main():
    memory = ModeMemory()
    cleared = []
    preparing = threading.Thread(target=memory.prepare)
    clearing = threading.Thread(target=lambda: cleared.append(memory.clear()))
    preparing.start()
    clearing.start()
    preparing.join()
    clearing.join()
    assert cleared == [True], "the threads waited for each other"


if __name__ == "__main__":
    main()
