"""Shuffles a deck of cards in several threads under striped locks."""

import threading
from contextlib import ExitStack

DECK = list(range(52))
STRIPES = [threading.Lock() for _ in range(8)]


def swap(first, second):
    with ExitStack() as held:
        for stripe in sorted({first % len(STRIPES), second % len(STRIPES)}):
            held.enter_context(STRIPES[stripe])
        DECK[first], DECK[second] = DECK[second], DECK[first]


def shuffle(seed):
    for number in range(400):
        swap((seed + number * 7) % 52, (seed * 3 + number * 11) % 52)


def main():
    threads = [threading.Thread(target=shuffle, args=(seed,)) for seed in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(DECK) == list(range(52)), DECK


if __name__ == "__main__":
    main()
