"""A thread waits for a flag that the main thread sets with the data."""

import threading

READY = threading.Condition()
DATA = []


def consume(results):
    with READY:
        loaded = READY.wait_for(lambda: bool(DATA), timeout=4)
        results.append((loaded, sum(DATA)))


def main():
    results = []
    threads = [threading.Thread(target=consume, args=(results,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    with READY:
        DATA.extend(range(10))
        READY.notify_all()
    for thread in threads:
        thread.join()
    assert results == [(True, 45)] * 2, results


if __name__ == "__main__":
    main()
