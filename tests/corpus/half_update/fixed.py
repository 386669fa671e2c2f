"""Replaces the size of a window as a whole while another thread reads it."""

import threading
from typing import NamedTuple


class Size(NamedTuple):
    width: int
    height: int


class Window:
    def __init__(self):
        self.size = Size(100, 50)

    def resize(self, factor):
        self.size = Size(100 * factor, 50 * factor)


def resize(window):
    for factor in range(1, 1000):
        window.resize(factor)


def draw(window, sizes):
    for _ in range(1000):
        size = window.size
        sizes.append((size.width, size.height))


def main():
    window = Window()
    sizes = []
    threads = [
        threading.Thread(target=resize, args=(window,)),
        threading.Thread(target=draw, args=(window, sizes)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(width == 2 * height for width, height in sizes)


if __name__ == "__main__":
    main()
