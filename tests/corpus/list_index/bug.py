"""Peeks at the last free slot while another thread takes slots."""

import threading

SLOTS = list(range(50))


def take():
    for _ in range(50):
        SLOTS.pop()


def peek(seen):
    for _ in range(50):
        count = len(SLOTS)
        if count > 0:
            seen.append(SLOTS[count - 1])
        else:
            seen.append(None)


def main():
    seen = []
    threads = [threading.Thread(target=take), threading.Thread(target=peek, args=(seen,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 50, "an index was out of range"


if __name__ == "__main__":
    main()
