"""Runs several threads at once, for tests."""

import threading

from deadlines import DEADLINE_S, join


def concurrently(*works, times=1):
    """Runs each function `times` times, each in its own thread, and returns the results in order.

    All threads start together. An exception of a thread is raised here.
    """
    works = works * times
    barrier = threading.Barrier(len(works))
    results = [None] * len(works)
    errors = []

    def run(index, work):
        try:
            barrier.wait(DEADLINE_S)
            results[index] = work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    join(*threads)
    if errors:
        raise errors[0]
    return results
