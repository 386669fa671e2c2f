"""Visits each address of a list once although several threads have the list."""

import threading


class Crawler:
    def __init__(self):
        self.seen = set()
        self.visits = []

    def visit(self, url):
        if url not in self.seen:
            self.seen.add(url)
            self.visits.append(url)


def crawl(crawler, urls):
    for url in urls:
        crawler.visit(url)


def main():
    crawler = Crawler()
    urls = [f"/page/{number}" for number in range(40)]
    threads = [threading.Thread(target=crawl, args=(crawler, urls)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(crawler.visits) == sorted(urls)


if __name__ == "__main__":
    main()
