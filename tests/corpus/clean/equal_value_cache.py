"""Caches a pure function's values without a lock; a value may be computed twice."""

import threading

CACHE = {}


def digits(number):
    value = CACHE.get(number)
    if value is None:
        value = CACHE[number] = sum(map(int, str(number**20)))
    return value


def work(start, results):
    results.append([digits(number) for number in range(start, start + 100)])


def main():
    results = []
    threads = [threading.Thread(target=work, args=(start, results)) for start in (1, 1, 51)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for values in results:
        assert len(values) == 100 and values[0] in (1, digits(51))
    assert sorted(CACHE) == list(range(1, 151))


if __name__ == "__main__":
    main()
