"""Functions run hot in several threads first, so that their code is specialised and, without a GIL, every thread has its own
copy of it; then each thread blocks inside one, some of them at lines that a first run never reached."""
import threading

import look

STOP = 3000
GATE = threading.Barrier(4)


class Point:
    def __init__(self, x):
        self.x = x

    def __add__(self, other):
        return Point(self.x + other.x)


def numbers(limit):
    for number in range(limit):
        yield number


def work(rounds, depth):
    total, seen, point = 0, {}, Point(0)
    for number in numbers(rounds):
        seen[number & 7] = total
        total += number if number % 3 else len(seen)
        point = point + Point(1)
        if depth and not number % 1000:
            total += work(50, depth - 1)
        if number == STOP:
            if depth == 1:
                look.arrived()
                look.stay()
            elif depth == 2:
                look.arrived(), \
                    look.stay()
            else:
                (look.arrived(),
                 [look.stay() for _ in range(2)])
    return total + point.x


def run(depth):
    work(STOP - 1, 1)
    GATE.wait()
    for _ in range(20):
        work(200, depth)
    work(STOP + 10, depth)


threads = [look.thread(f"hot-{number}", run, number % 3 + 1) for number in range(4)]
look.has_arrived(*threads)
look.tell()
