"""Computes a result in a thread and sets an Event after it."""

import threading


class Task:
    def __init__(self):
        self.done = threading.Event()
        self.result = None

    def run(self):
        self.result = sum(range(1000))
        self.done.set()


def wait(task, seen):
    task.done.wait()
    seen.append(task.result)


def main():
    task = Task()
    seen = []
    threads = [
        threading.Thread(target=wait, args=(task, seen)),
        threading.Thread(target=wait, args=(task, seen)),
        threading.Thread(target=task.run),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [499500] * 2, seen


if __name__ == "__main__":
    main()
