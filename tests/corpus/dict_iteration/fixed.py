"""Looks for tasks that run too long in a copy of the shared dictionary."""

import threading

STARTED = {}


def run_tasks():
    for number in range(2000):
        STARTED[number] = number * 10
        if number >= 5:
            del STARTED[number - 5]


def check(late):
    for _ in range(500):
        for number, start in STARTED.copy().items():
            if start > 1_000_000:
                late.append(number)
    late.append("checked")


def main():
    late = []
    threads = [threading.Thread(target=run_tasks), threading.Thread(target=check, args=(late,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert late == ["checked"], late


if __name__ == "__main__":
    main()
