"""Visits each address once; a method that runs under the lock claims the address."""

import threading


class Crawler:
    def __init__(self):
        self._lock = threading.Lock()
        self._seen = set()
        self.visits = []

    def _claim_locked(self, url):
        if url in self._seen:
            return False
        self._seen.add(url)
        return True

    def visit(self, url):
        with self._lock:
            mine = self._claim_locked(url)
        if mine:
            self.visits.append(url)


def crawl(crawler, urls):
    for url in urls:
        crawler.visit(url)


def main():
    crawler = Crawler()
    urls = [f"/page/{number}" for number in range(1000)]
    threads = [threading.Thread(target=crawl, args=(crawler, urls)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(crawler.visits) == sorted(urls)


if __name__ == "__main__":
    main()
