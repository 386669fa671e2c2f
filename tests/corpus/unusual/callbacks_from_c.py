"""Calls Python functions from C: sorting, mapping, comparing, and ctypes."""

import ctypes
import functools
import threading

RESULTS = []
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))


def compare(one, other):
    return one[0] - other[0]


def work():
    numbers = (ctypes.c_int * 50)(*range(50, 0, -1))
    ctypes.CDLL(None).qsort(numbers, 50, ctypes.sizeof(ctypes.c_int), COMPARE(compare))
    words = sorted(["b", "a", "c"], key=functools.cmp_to_key(lambda a, b: (a > b) - (a < b)))
    RESULTS.append((list(numbers) == list(range(1, 51)), "".join(map(str.upper, words))))


if __name__ == "__main__":
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert RESULTS == [(True, "ABC")] * 3, RESULTS
