"""Sequential: bubble sort of a descending list, its worst case.

Compares and swaps neighbouring numbers until a pass swaps nothing. Reads and writes one list of size
numbers.
"""

import ungil_suite as suite


def bubble_sort(values):
    for end in range(len(values) - 1, 0, -1):
        swapped = False
        for i in range(end):
            if values[i] > values[i + 1]:
                values[i], values[i + 1] = values[i + 1], values[i]
                swapped = True
        if not swapped:
            break


def main():
    chosen = suite.options(__doc__, 5000)
    values = list(range(chosen.size, 0, -1))
    with suite.phase():
        bubble_sort(values)
    suite.check(values == list(range(1, chosen.size + 1)), "the list is not sorted")
    print(chosen.size)


if __name__ == "__main__":
    main()
