"""Several threads at once, for tests: let go together, joined, their exceptions raised here."""

import threading

from deadlines import DEADLINE_S, join


def crowd(*works, times=1):
    """Runs each function, `times` times over, in a thread of its own, and gives their results in order."""
    works = works * times
    barrier = threading.Barrier(len(works))
    results = [None] * len(works)
    errors = []

    def run(place, work):
        try:
            barrier.wait(DEADLINE_S)
            results[place] = work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    join(*threads)
    if errors:
        raise errors[0]
    return results
