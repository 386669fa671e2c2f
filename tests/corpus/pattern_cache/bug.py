"""Caches compiled patterns and evicts the short ones when there are too many."""

import threading

CACHE = {}
CACHE_LOCK = threading.Lock()
LIMIT = 20


def shrink():
    for pattern in [pattern for pattern in CACHE if len(pattern) < 9]:
        CACHE.pop(pattern, None)


def compile_pattern(pattern):
    compiled = CACHE.get(pattern)
    if compiled is None:
        if len(CACHE) >= LIMIT:
            with CACHE_LOCK:
                shrink()
        compiled = CACHE[pattern] = ("compiled", pattern)
    return compiled


def search(start, results):
    for number in range(start, start + 50):
        results.append(compile_pattern(f"pattern{number % 40}"))


def main():
    results = []
    threads = [threading.Thread(target=search, args=(start, results)) for start in (0, 7, 23)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 150, len(results)


if __name__ == "__main__":
    main()
