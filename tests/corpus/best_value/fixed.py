"""Looks for the largest value; one thread owns the best value."""

import queue
import threading


def look(offers, values):
    for value in values:
        offers.put(value)
    offers.put(None)


def keep_best(offers, parts, result):
    best = 0
    while parts:
        value = offers.get()
        if value is None:
            parts -= 1
        elif value > best:
            best = value
    result.append(best)


def main():
    offers = queue.SimpleQueue()
    result = []
    values = [number * 7919 % 1009 for number in range(900)]
    threads = [threading.Thread(target=look, args=(offers, values[part::3])) for part in range(3)]
    threads.append(threading.Thread(target=keep_best, args=(offers, 3, result)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert result == [max(values)], result


if __name__ == "__main__":
    main()
