"""Empties a deque with several consumers."""

import threading
from collections import deque

WORK = deque(range(100))


def consume(done, ended):
    while WORK:
        done.append(WORK.popleft())
    ended.append(threading.current_thread().name)


def main():
    done, ended = [], []
    threads = [threading.Thread(target=consume, args=(done, ended)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(100))
    assert len(ended) == 3, "a consumer failed"


if __name__ == "__main__":
    main()
