"""Closes a resource when its last user leaves; the lock makes that one step."""

import threading


class Shared:
    def __init__(self, users):
        self.lock = threading.Lock()
        self.users = users
        self.closed = []

    def leave(self):
        self.lock.acquire()
        try:
            self.users -= 1
            last = self.users == 0
        finally:
            self.lock.release()
        if last:
            self.closed.append(threading.current_thread().name)


def main():
    for _ in range(10):
        shared = Shared(4)
        threads = [threading.Thread(target=shared.leave) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(shared.closed) == 1, shared.closed


if __name__ == "__main__":
    main()
