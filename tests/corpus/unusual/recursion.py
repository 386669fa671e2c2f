"""Recurses deeply, and without end."""

import sys


def depth(count):
    return 0 if count == 0 else 1 + depth(count - 1)


def endless():
    endless()


if __name__ == "__main__":
    sys.setrecursionlimit(20_000)
    assert depth(9_000) == 9_000
    try:
        endless()
    except RecursionError:
        pass
    else:
        raise AssertionError("no RecursionError")
