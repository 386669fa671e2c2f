"""Looks for tasks that run too long while other tasks start and end."""

import threading

STARTED = {}


def run_tasks():
    for number in range(60):
        STARTED[number] = number * 10
        if number >= 5:
            del STARTED[number - 5]


def check(late):
    for _ in range(10):
        for number, start in STARTED.items():
            if start > 10_000:
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
