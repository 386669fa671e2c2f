"""Merges the parts of a round in the action of a Barrier."""

import threading


class Round:
    def __init__(self, parties):
        self.parts = [0] * parties
        self.total = 0
        self.history = []
        self.barrier = threading.Barrier(parties, action=self.merge, timeout=4)

    def merge(self):
        self.total += sum(self.parts)
        self.history.append(self.total)

    def work(self, index, seen):
        for number in range(20):
            self.parts[index] = number
            self.barrier.wait()
            seen.append(self.total)
            self.barrier.wait()


def main():
    game = Round(3)
    seen = [[] for _ in range(3)]
    threads = [threading.Thread(target=game.work, args=(index, seen[index])) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen[0] == seen[1] == seen[2] == game.history[::2]
    assert game.total == 6 * sum(range(20)), game.total


if __name__ == "__main__":
    main()
