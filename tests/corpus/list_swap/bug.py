"""Shuffles a deck of cards in several threads."""

import threading

DECK = list(range(52))


def shuffle(seed):
    for number in range(40):
        first = (seed + number * 7) % 52
        second = (seed * 3 + number * 11) % 52
        DECK[first], DECK[second] = DECK[second], DECK[first]


def main():
    threads = [threading.Thread(target=shuffle, args=(seed,)) for seed in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(DECK) == list(range(52)), DECK


if __name__ == "__main__":
    main()
