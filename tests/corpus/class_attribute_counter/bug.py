"""Numbers jobs with an attribute of their class."""

import threading


class Job:
    created = 0

    def __init__(self, name):
        Job.created += 1
        self.name = name


def produce(prefix):
    return [Job(f"{prefix}-{number}") for number in range(40)]


def main():
    threads = [threading.Thread(target=produce, args=(prefix,)) for prefix in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Job.created == 80, Job.created


if __name__ == "__main__":
    main()
