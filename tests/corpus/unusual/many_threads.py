"""Runs 200 threads at once, and 300 one after the other."""

import threading

LOCK = threading.Lock()
BARRIER = threading.Barrier(200)
COUNTS = {"all": 0}


def work():
    BARRIER.wait()
    for _ in range(5):
        with LOCK:
            COUNTS["all"] += 1


if __name__ == "__main__":
    threads = [threading.Thread(target=work) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert COUNTS["all"] == 1000, COUNTS
    for _ in range(300):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
