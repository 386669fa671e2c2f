"""Counts methods of requests in a shared dictionary."""

import threading

STATS = {}
REQUESTS = ["GET", "GET", "POST", "GET", "HEAD"] * 8


def handle(requests):
    for method in requests:
        STATS[method] = STATS.get(method, 0) + 1


def main():
    threads = [threading.Thread(target=handle, args=(REQUESTS,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert STATS == {"GET": 72, "POST": 24, "HEAD": 24}, STATS


if __name__ == "__main__":
    main()
