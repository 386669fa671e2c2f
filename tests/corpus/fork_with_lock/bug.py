"""Forks a child that logs, while a thread of the parent logs."""

import os
import threading
import warnings

LOG = threading.Lock()
LINES = []


def log(line):
    if not LOG.acquire(timeout=1):
        os._exit(1)
    LINES.append(line)
    LOG.release()


def work():
    for number in range(200):
        log(f"line {number}")


def main():
    warnings.simplefilter("ignore", DeprecationWarning)
    thread = threading.Thread(target=work)
    thread.start()
    child = os.fork()
    if child == 0:
        log("child")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0, "the child met a locked lock"


if __name__ == "__main__":
    main()
