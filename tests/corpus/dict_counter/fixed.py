"""Counts methods of requests in one Counter for each task and merges them."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed

REQUESTS = ["GET", "GET", "POST", "GET", "HEAD"] * 80


def handle(requests):
    stats = Counter()
    for method in requests:
        stats[method] += 1
    return stats


def main():
    stats = Counter()
    with ThreadPoolExecutor(max_workers=3) as pool:
        futures = [pool.submit(handle, REQUESTS) for _ in range(3)]
        for future in as_completed(futures):
            stats.update(future.result())
    assert stats == {"GET": 720, "POST": 240, "HEAD": 240}, stats


if __name__ == "__main__":
    main()
