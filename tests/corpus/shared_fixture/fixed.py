"""Runs one test in several threads; each thread has fixtures in a threading.local."""

import threading

LOCAL = threading.local()


def set_up():
    LOCAL.fixture = {"count": 0}


def test_count():
    set_up()
    for _ in range(10):
        LOCAL.fixture["count"] += 1
    assert LOCAL.fixture["count"] == 10, LOCAL.fixture


def run(passed):
    for _ in range(100):
        test_count()
        passed.append(True)


def main():
    passed = []
    threads = [threading.Thread(target=run, args=(passed,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 300, f"{300 - len(passed)} runs failed"


if __name__ == "__main__":
    main()
