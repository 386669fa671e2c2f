"""Starts a round of work with an event that the main thread sets and clears."""

import threading

TICK = threading.Event()


def work(started):
    if TICK.wait(timeout=1):
        started.append(threading.current_thread().name)


def main():
    started = []
    threads = [threading.Thread(target=work, args=(started,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    TICK.set()
    TICK.clear()
    for thread in threads:
        thread.join()
    assert len(started) == 3, started


if __name__ == "__main__":
    main()
