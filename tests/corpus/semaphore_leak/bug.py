"""Runs tasks with two permits; some tasks raise."""

import threading

SLOTS = threading.Semaphore(2)


def task(number):
    if number % 3 == 0:
        raise ValueError(number)
    return number


def run(number, results):
    if not SLOTS.acquire(timeout=1):
        return
    try:
        results.append(task(number))
    except ValueError:
        results.append(-1)
        return
    SLOTS.release()


def main():
    results = []
    for start in (0, 3):
        threads = [
            threading.Thread(target=run, args=(number, results))
            for number in range(start, start + 3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 6, f"{6 - len(results)} tasks got no permit"


if __name__ == "__main__":
    main()
