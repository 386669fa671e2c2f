"""Starts each round of work with an event of its own."""

import threading

ROUNDS = 3


def work(ticks, started):
    for number, tick in enumerate(ticks):
        tick.wait()
        started.append(number)


def main():
    started = []
    ticks = [threading.Event() for _ in range(ROUNDS)]
    threads = [threading.Thread(target=work, args=(ticks, started)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for tick in ticks:
        tick.set()
    for thread in threads:
        thread.join()
    assert sorted(started) == sorted([0, 1, 2] * 3), started


if __name__ == "__main__":
    main()
