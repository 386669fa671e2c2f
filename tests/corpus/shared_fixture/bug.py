"""Runs one test in several threads with a fixture of the module."""

import threading

FIXTURE = {}


def set_up():
    FIXTURE.clear()
    FIXTURE["count"] = 0


def test_count():
    set_up()
    for _ in range(10):
        FIXTURE["count"] += 1
    assert FIXTURE["count"] == 10, FIXTURE


def run(passed):
    for _ in range(3):
        test_count()
        passed.append(True)


def main():
    passed = []
    threads = [threading.Thread(target=run, args=(passed,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 9, f"{9 - len(passed)} runs failed"


if __name__ == "__main__":
    main()
