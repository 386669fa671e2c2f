"""Makes short-lived objects in several threads; many have the address of an earlier one."""

import threading


class Point:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x = x
        self.y = y


def churn(seed, sums):
    total = 0
    for number in range(1000):
        point = Point(number, seed)
        point.x += point.y
        cell = [point.x]
        cell.append(seed)
        names = {"x": cell[0]}
        names["x"] += 1
        total += names["x"]
        del point, cell, names
    sums.append(total)


def main():
    for _ in range(3):
        sums = []
        threads = [threading.Thread(target=churn, args=(seed, sums)) for seed in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        base = sum(range(1000)) + 1000
        assert sorted(sums) == [base + 1000, base + 2000, base + 3000], sums


if __name__ == "__main__":
    main()
