"""Forks a child that logs; the fork happens while the forking thread holds the lock."""

import os
import threading
import warnings

LOG = threading.Lock()
LINES = []

os.register_at_fork(before=LOG.acquire, after_in_parent=LOG.release, after_in_child=LOG.release)


def log(line):
    if not LOG.acquire(timeout=4):
        os._exit(1)
    LINES.append(line)
    LOG.release()


def work():
    for number in range(500):
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
