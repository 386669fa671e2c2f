"""Runs tasks with two permits, which a with statement gives back."""

import threading

SLOTS = threading.Semaphore(2)


def task(number):
    if number % 3 == 0:
        raise ValueError(number)
    return number


def run(number, results):
    with SLOTS:
        try:
            results.append(task(number))
        except ValueError:
            results.append(-1)


def main():
    results = []
    for start in (0, 3, 6, 9):
        threads = [
            threading.Thread(target=run, args=(number, results))
            for number in range(start, start + 3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 12, f"{12 - len(results)} tasks got no permit"


if __name__ == "__main__":
    main()
