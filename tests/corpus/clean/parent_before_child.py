"""A tree of nodes whose locks are taken from the root to the leaf."""

import threading


class Node:
    def __init__(self, depth):
        self.lock = threading.Lock()
        self.visits = 0
        self.children = [Node(depth - 1) for _ in range(2)] if depth else []


def visit(node, path):
    with node.lock:
        node.visits += 1
        if node.children:
            visit(node.children[path % 2], path // 2)


def total(node):
    return node.visits + sum(total(child) for child in node.children)


def work(root, seed):
    for number in range(150):
        visit(root, number * seed)


def main():
    root = Node(3)
    threads = [threading.Thread(target=work, args=(root, seed)) for seed in (1, 3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert root.visits == 450 and total(root) == 1800, total(root)


if __name__ == "__main__":
    main()
