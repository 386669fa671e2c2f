"""Counts the ends of futures in a callback."""

from concurrent.futures import ThreadPoolExecutor


class Progress:
    def __init__(self):
        self.done = 0

    def step(self, future):
        if future.exception() is None:
            self.done += 1


def main():
    progress = Progress()
    with ThreadPoolExecutor(max_workers=3) as pool:
        for number in range(60):
            pool.submit(pow, number, 2).add_done_callback(progress.step)
    assert progress.done == 60, progress.done


if __name__ == "__main__":
    main()
