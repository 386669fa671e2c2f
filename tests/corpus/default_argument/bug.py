"""Counts words with a dictionary that is the default of an argument."""

import threading


def collect(words, counts={}):  # noqa: B006
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    result = dict(counts)
    counts.clear()
    return result


def work(results):
    results.append(collect(["a", "b", "a"] * 10))


def main():
    results = []
    threads = [threading.Thread(target=work, args=(results,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [{"a": 20, "b": 10}] * 3, results


if __name__ == "__main__":
    main()
