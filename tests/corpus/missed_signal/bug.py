"""A thread waits until the main thread has loaded the data."""

import threading

READY = threading.Condition()
DATA = []


def consume(results):
    with READY:
        notified = READY.wait(timeout=1)
    results.append((notified, sum(DATA)))


def main():
    results = []
    thread = threading.Thread(target=consume, args=(results,))
    thread.start()
    with READY:
        DATA.extend(range(10))
        READY.notify()
    thread.join()
    assert results == [(True, 45)], results


if __name__ == "__main__":
    main()
