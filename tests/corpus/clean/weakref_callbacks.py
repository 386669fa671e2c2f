"""Notes the ends of objects in weak reference callbacks of several threads."""

import gc
import threading
import weakref
from collections import deque

ENDED = deque()


class Session:
    def __init__(self, number):
        self.number = number


def watch(session):
    number = session.number
    return weakref.ref(session, lambda _: ENDED.append(number))


def work(start):
    references = []
    for number in range(start, start + 100):
        session = Session(number)
        references.append(watch(session))
        session.number = -1
        del session
    gc.collect()
    assert all(reference() is None for reference in references)


def main():
    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ENDED) == list(range(300)), len(ENDED)


if __name__ == "__main__":
    main()
