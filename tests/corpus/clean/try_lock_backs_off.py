"""Opposite lock orders; a thread that cannot have the second lock gives up the first."""

import threading
import time

LEFT = threading.Lock()
RIGHT = threading.Lock()
STATE = {"moves": 0}


def move(first, second, times):
    while times:
        with first:
            if second.acquire(blocking=False):
                try:
                    STATE["moves"] += 1
                    times -= 1
                    continue
                finally:
                    second.release()
        time.sleep(0)


def main():
    threads = [
        threading.Thread(target=move, args=(LEFT, RIGHT, 100)),
        threading.Thread(target=move, args=(RIGHT, LEFT, 100)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert STATE == {"moves": 200}, STATE


if __name__ == "__main__":
    main()
