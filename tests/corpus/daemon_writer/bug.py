"""Writes lines in a daemon thread."""

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
    for number in range(50):
        LINES.put(f"line {number}")
    assert len(WRITTEN) == 50, f"{50 - len(WRITTEN)} lines are lost"


if __name__ == "__main__":
    main()
