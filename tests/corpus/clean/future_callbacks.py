"""Chains tasks of a pool by callbacks; each task fills the same report."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor


def measure(report):
    report["measured"] = list(range(10))
    return report


def summarise(report):
    report["sum"] = sum(report["measured"])
    return report


def chain(pool, report):
    finished = Future()

    def summarised(future):
        finished.set_result(future.result())

    def measured(future):
        pool.submit(summarise, future.result()).add_done_callback(summarised)

    pool.submit(measure, report).add_done_callback(measured)
    return finished


def main():
    with ThreadPoolExecutor(max_workers=3) as pool:
        finished = [chain(pool, {"number": number}) for number in range(30)]
        reports = [future.result(timeout=4) for future in finished]
    for number, report in enumerate(reports):
        report["checked"] = threading.current_thread().name
        assert report["number"] == number and report["sum"] == 45


if __name__ == "__main__":
    main()
