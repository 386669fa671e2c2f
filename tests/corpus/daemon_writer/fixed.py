"""Writes lines in a daemon thread and waits at the queue for the last one."""

import queue
import threading

LINES = queue.Queue()
WRITTEN = []


def write():
    while True:
        line = LINES.get()
        WRITTEN.append(line)
        LINES.task_done()


def main():
    threading.Thread(target=write, daemon=True).start()
    for number in range(300):
        LINES.put(f"line {number}")
    LINES.join()
    assert len(WRITTEN) == 300, f"{300 - len(WRITTEN)} lines are lost"


if __name__ == "__main__":
    main()
