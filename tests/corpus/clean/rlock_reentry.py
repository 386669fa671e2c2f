"""A tree whose methods call each other under one RLock."""

import threading


class Tree:
    def __init__(self):
        self.lock = threading.RLock()
        self.size = 0
        self.depth = 0

    def grow(self, levels):
        with self.lock:
            self.size += 1
            if levels > 1:
                self.grow(levels - 1)
            self.note(levels)
            self.size += 1

    def note(self, levels):
        with self.lock:
            self.depth = max(self.depth, levels)


def work(tree):
    for _ in range(200):
        tree.grow(3)


def main():
    tree = Tree()
    threads = [threading.Thread(target=work, args=(tree,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tree.size, tree.depth) == (3600, 3), (tree.size, tree.depth)


if __name__ == "__main__":
    main()
