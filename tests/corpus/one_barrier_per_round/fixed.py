"""Computes rounds of a ring of cells with two waits at the barrier in each round."""

import threading

SIZE = 3
ROUNDS = 20


def compute(index, cells, barrier):
    for _ in range(ROUNDS):
        barrier.wait()
        total = cells[index] + cells[(index + 1) % SIZE]
        barrier.wait()
        cells[index] = total


def expected():
    cells = [1, 2, 3]
    for _ in range(ROUNDS):
        cells = [cells[index] + cells[(index + 1) % SIZE] for index in range(SIZE)]
    return cells


def main():
    cells = [1, 2, 3]
    barrier = threading.Barrier(SIZE, timeout=4)
    threads = [
        threading.Thread(target=compute, args=(index, cells, barrier)) for index in range(SIZE)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cells == expected(), cells


if __name__ == "__main__":
    main()
