"""A coroutine and its functions in threads change one object in turn."""

import asyncio
import threading


class Job:
    def __init__(self, number):
        self.number = number
        self.steps = []
        self.value = 0


def compute(job):
    job.value += job.number
    job.steps.append("thread")


async def run(job, log):
    for _ in range(5):
        job.steps.append("loop")
        job.value += 1
        await asyncio.to_thread(compute, job)
        log.append(job.value)


async def run_all(jobs, log):
    await asyncio.gather(*(run(job, log) for job in jobs))


def main():
    jobs = [Job(number) for number in range(6)]
    log = []
    thread = threading.Thread(target=lambda: asyncio.run(run_all(jobs, log)))
    thread.start()
    thread.join()
    for job in jobs:
        assert job.steps == ["loop", "thread"] * 5, job.steps
        assert job.value == 5 * (job.number + 1)
    assert len(log) == 30


if __name__ == "__main__":
    main()
