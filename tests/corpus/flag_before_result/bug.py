"""Computes a result in a thread and polls a flag for it."""

import threading
import time


class Task:
    def __init__(self):
        self.done = False
        self.result = None

    def run(self):
        total = sum(range(1000))
        self.done = True
        self.result = total


def poll(task, seen):
    deadline = time.monotonic() + 4
    while not task.done and time.monotonic() < deadline:
        time.sleep(0.001)
    seen.append(task.result)


def main():
    task = Task()
    seen = []
    threads = [
        threading.Thread(target=poll, args=(task, seen)),
        threading.Thread(target=task.run),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [499500], seen


if __name__ == "__main__":
    main()
