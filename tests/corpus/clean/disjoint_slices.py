"""Threads that write to their own part of a list and to their own key of a dictionary."""

from concurrent.futures import ThreadPoolExecutor

SQUARES = [0] * 300
SUMS = {0: None, 1: None, 2: None}


def square(part):
    total = 0
    for index in range(part, len(SQUARES), 3):
        SQUARES[index] = index * index
        SQUARES[index] += 1
        total += SQUARES[index]
    SUMS[part] = total
    return part


def main():
    with ThreadPoolExecutor(max_workers=3) as pool:
        assert list(pool.map(square, range(3))) == [0, 1, 2]
    assert [value - 1 for value in SQUARES] == [index * index for index in range(300)]
    assert sum(SUMS.values()) == sum(SQUARES)


if __name__ == "__main__":
    main()
