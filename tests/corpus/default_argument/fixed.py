"""Counts words with a dictionary that each call makes."""

import threading


def collect(words, counts=None):
    counts = {} if counts is None else counts
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return counts


def work(results):
    results.append(collect(["a", "b", "a"] * 100))


def main():
    results = []
    threads = [threading.Thread(target=work, args=(results,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [{"a": 200, "b": 100}] * 3, results


if __name__ == "__main__":
    main()
