"""Pools under the soak: each task runs exactly once."""

import concurrent.futures

from soak_base import Subject
from soak_parts import Boom, balance, total

import ungil


class Pool(Subject):
    """Tasks submitted by several threads, nested and raising; results and exceptions come back."""

    name = "ThreadPool"

    def __init__(self):
        self.pool = ungil.ThreadPool(2)
        self.done = ungil.Adder()

    def task(self, n):
        self.done.add(1)
        if n % 7 == 3:
            raise Boom
        return n

    def nested(self, n):
        return sum(self.pool.map(abs, range(n)))

    def step(self, rng, log):
        n = rng.randrange(20)
        try:
            match rng.randrange(5):
                case 0:
                    log.counts["tasks"] += 1
                    assert self.pool.submit(self.task, n).result() == n
                case 1:
                    log.counts["tasks"] += 5
                    for future in [self.pool.submit(self.task, 0) for _ in range(5)]:
                        assert future.result() == 0
                case 2:
                    token = log.token()
                    log.put.append(token)
                    log.got.append(self.pool.submit(lambda: token).result())
                case 3:
                    assert self.pool.submit(self.nested, n).result() == n * (n - 1) // 2
                case 4:
                    assert list(self.pool.map(str, range(n))) == [str(i) for i in range(n)]
        except concurrent.futures.CancelledError:
            pass

    def verify(self, logs):
        self.pool.shutdown()
        balance(logs, [])
        assert self.done.sum() == total(logs, "tasks")


class PerThread(Subject):
    """A value for each thread, including ended ones."""

    name = "PerThread"

    def __init__(self):
        self.sums = ungil.PerThread(lambda: [0])

    def step(self, rng, log):
        self.sums.get()[0] += 1
        log.counts["steps"] += 1

    def verify(self, logs):
        assert self.sums.combine(lambda one, other: [one[0] + other[0]])[0] == total(logs, "steps")


WORK = [Pool, PerThread]
