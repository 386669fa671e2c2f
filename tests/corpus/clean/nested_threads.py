"""A thread that starts and joins threads of its own, which change its object."""

import threading


def leaf(node, side):
    node[side] = [number * 2 for number in node["numbers"]]


def branch(node):
    node["numbers"] = list(range(node["size"]))
    threads = [threading.Thread(target=leaf, args=(node, side)) for side in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    node["sum"] = sum(node["left"]) + sum(node["right"])


def main():
    nodes = [{"size": size} for size in (10, 20, 30)]
    threads = [threading.Thread(target=branch, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in reversed(threads):
        thread.join()
    for node in nodes:
        node["sum"] += 1
        assert node["sum"] == 4 * sum(range(node["size"])) + 1, node
        assert node["left"] == node["right"]


if __name__ == "__main__":
    main()
