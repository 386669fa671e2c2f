"""Counts the ends of futures in the main thread; callbacks send messages to it."""

import queue
from concurrent.futures import ThreadPoolExecutor


class Progress:
    def __init__(self):
        self.done = 0
        self.ended = queue.SimpleQueue()

    def step(self, future):
        self.ended.put(future)

    def wait(self, count):
        while self.done < count:
            if self.ended.get().exception() is None:
                self.done += 1


def main():
    progress = Progress()
    with ThreadPoolExecutor(max_workers=3) as pool:
        for number in range(200):
            pool.submit(pow, number, 2).add_done_callback(progress.step)
        progress.wait(200)
    assert progress.done == 200, progress.done


if __name__ == "__main__":
    main()
