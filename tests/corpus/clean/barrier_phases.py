"""Rounds of writes and reads of a list that a Barrier separates."""

import threading

PARTIES = 3
ROUNDS = 30


def work(index, cells, sums, barrier):
    for number in range(ROUNDS):
        cells[index] = number * (index + 1)
        barrier.wait()
        sums[index].append(sum(cells))
        barrier.wait()


def main():
    cells = [0] * PARTIES
    sums = [[] for _ in range(PARTIES)]
    barrier = threading.Barrier(PARTIES, timeout=4)
    threads = [
        threading.Thread(target=work, args=(index, cells, sums, barrier))
        for index in range(PARTIES)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = [number * 6 for number in range(ROUNDS)]
    assert sums == [expected] * PARTIES, sums


if __name__ == "__main__":
    main()
