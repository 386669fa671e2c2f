"""Forks a child that starts threads, and spawns a pool of processes."""

import multiprocessing
import os
import threading


def run_child():
    numbers = {number: number for number in range(1000)}
    thread = threading.Thread(target=numbers.clear)
    thread.start()
    thread.join()
    os._exit(7 + len(numbers))


if __name__ == "__main__":
    child = os.fork()
    if child == 0:
        run_child()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
