"""Closes a file from the thread that first takes a lock, which stays locked."""

import threading


class FileWrapper:
    def __init__(self, fd):
        self.fd = fd
        self.once = threading.Lock()
        self.calls = []

    def close(self):
        if self.once.acquire(blocking=False):
            self.calls.append(self.fd)
            self.fd = -1


def main():
    for fd in range(100, 110):
        wrapper = FileWrapper(fd)
        threads = [threading.Thread(target=wrapper.close) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrapper.calls == [fd] and wrapper.fd == -1, wrapper.calls


if __name__ == "__main__":
    main()
