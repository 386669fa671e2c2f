"""Replaces a list of scores by a sorted copy while another thread reads the best score."""

import threading

SCORES = [number * 7919 % 101 for number in range(60)]


def rank():
    global SCORES
    for number in range(100):
        sign = -1 if number % 2 else 1
        SCORES = sorted(SCORES, key=lambda score, sign=sign: sign * score)


def show(shown):
    for _ in range(500):
        scores = SCORES
        shown.append(scores[-1])


def main():
    shown = []
    threads = [threading.Thread(target=rank), threading.Thread(target=show, args=(shown,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shown) == 500, "the list was empty"


if __name__ == "__main__":
    main()
