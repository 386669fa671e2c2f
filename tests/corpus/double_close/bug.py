"""Closes a file from whichever thread is first."""

import threading


class FileWrapper:
    def __init__(self, fd):
        self.fd = fd
        self.closed = False
        self.calls = []

    def close(self):
        if not self.closed:
            self.closed = True
            self.calls.append(self.fd)


def main():
    for fd in range(100, 105):
        wrapper = FileWrapper(fd)
        threads = [threading.Thread(target=wrapper.close) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrapper.calls == [fd], wrapper.calls


if __name__ == "__main__":
    main()
