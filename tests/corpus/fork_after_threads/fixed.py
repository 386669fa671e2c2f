"""Forks two workers and then starts a heartbeat thread."""

import os
import threading

BEAT = threading.Lock()
BEATS = []


def beat():
    for number in range(20):
        with BEAT:
            BEATS.append(number)


def fork_worker(number):
    child = os.fork()
    if child == 0:
        os._exit(10 + number if BEAT.acquire(timeout=4) else 1)
    return child


def main():
    workers = [fork_worker(number) for number in range(2)]
    thread = threading.Thread(target=beat)
    thread.start()
    codes = [os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers]
    thread.join()
    assert codes == [10, 11] and len(BEATS) == 20, codes


if __name__ == "__main__":
    main()
