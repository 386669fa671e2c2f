"""Empties a deque with several consumers that rely on popleft alone."""

import threading
from collections import deque

WORK = deque(range(3000))


def consume(done, ended):
    while True:
        try:
            item = WORK.popleft()
        except IndexError:
            break
        done.append(item)
    ended.append(threading.current_thread().name)


def main():
    done, ended = [], []
    threads = [threading.Thread(target=consume, args=(done, ended)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(3000))
    assert len(ended) == 3, "a consumer failed"


if __name__ == "__main__":
    main()
