"""Buffers of a free list; the thread that popped a buffer owns it."""

import threading
from collections import deque

FREE = deque({"owner": None, "uses": 0} for _ in range(3))


def work(ended):
    me = threading.current_thread().name
    for _ in range(300):
        buffer = FREE.pop()
        assert buffer["owner"] is None
        buffer["owner"] = me
        buffer["uses"] += 1
        assert buffer["owner"] == me
        buffer["owner"] = None
        FREE.append(buffer)
    ended.append(me)


def main():
    ended = []
    threads = [threading.Thread(target=work, args=(ended,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ended) == 3 and len(FREE) == 3
    assert sum(buffer["uses"] for buffer in FREE) == 900


if __name__ == "__main__":
    main()
