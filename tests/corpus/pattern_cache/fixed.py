"""Caches compiled patterns; the insertion and the eviction hold the same lock."""

import threading

CACHE = {}
CACHE_LOCK = threading.Lock()
LIMIT = 20


def shrink_locked():
    for pattern in [pattern for pattern in CACHE if len(pattern) < 9]:
        CACHE.pop(pattern, None)


def compile_pattern(pattern):
    compiled = CACHE.get(pattern)
    if compiled is None:
        compiled = ("compiled", pattern)
        with CACHE_LOCK:
            if len(CACHE) >= LIMIT:
                shrink_locked()
            compiled = CACHE.setdefault(pattern, compiled)
    return compiled


def search(start, results):
    for number in range(start, start + 300):
        results.append(compile_pattern(f"pattern{number % 40}"))


def main():
    results = []
    threads = [threading.Thread(target=search, args=(start, results)) for start in (0, 7, 23)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 900, len(results)


if __name__ == "__main__":
    main()
