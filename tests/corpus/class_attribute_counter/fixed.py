"""Numbers jobs with an attribute of their class, under a lock of the class."""

import threading


class Job:
    created = 0
    created_lock = threading.Lock()

    def __init__(self, name):
        self._count()
        self.name = name

    @classmethod
    def _count(cls):
        cls.created_lock.acquire()
        try:
            cls.created += 1
        finally:
            cls.created_lock.release()


def produce(prefix):
    return [Job(f"{prefix}-{number}") for number in range(1000)]


def main():
    threads = [threading.Thread(target=produce, args=(prefix,)) for prefix in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Job.created == 3000, Job.created


if __name__ == "__main__":
    main()
