"""Looks for the largest value in parts of a list."""

import threading


class Search:
    def __init__(self):
        self.best = 0

    def offer(self, value):
        if value > self.best:
            self.best = value


def look(search, values):
    for value in values:
        search.offer(value)


def main():
    search = Search()
    values = [number * 7919 % 1009 for number in range(150)]
    threads = [threading.Thread(target=look, args=(search, values[part::3])) for part in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert search.best == max(values), search.best


if __name__ == "__main__":
    main()
