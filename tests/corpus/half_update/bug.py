"""Resizes a window while another thread reads its size."""

import threading


class Window:
    def __init__(self):
        self.width = 100
        self.height = 50

    def resize(self, factor):
        self.width = 100 * factor
        self.height = 50 * factor


def resize(window):
    for factor in range(1, 40):
        window.resize(factor)


def draw(window, sizes):
    for _ in range(20):
        sizes.append((window.width, window.height))


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
    assert all(width == 2 * height for width, height in sizes), sizes


if __name__ == "__main__":
    main()
