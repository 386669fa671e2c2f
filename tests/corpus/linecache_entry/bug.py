"""Returns the lines of files from a cache that another thread clears."""

import threading

CACHE = {}


def read(name):
    return [f"{name}:{number}" for number in range(3)]


def get_lines(name):
    if name in CACHE:
        return CACHE[name]
    lines = CACHE[name] = read(name)
    return lines


def show(results):
    results.append(sum(len(get_lines(name)) for name in ["a.py", "b.py"] * 20))


def clear():
    for _ in range(10):
        CACHE.clear()


def main():
    results = []
    threads = [threading.Thread(target=show, args=(results,)) for _ in range(2)]
    threads.append(threading.Thread(target=clear))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [120, 120], results


if __name__ == "__main__":
    main()
