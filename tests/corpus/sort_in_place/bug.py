"""Sorts a list of scores while another thread reads the best score."""

import threading

SCORES = [number * 7919 % 101 for number in range(60)]


def rank():
    for number in range(5):
        SCORES.sort(key=lambda score: -score if number % 2 else score)


def show(shown):
    for _ in range(10):
        shown.append(SCORES[-1])


def main():
    shown = []
    threads = [threading.Thread(target=rank), threading.Thread(target=show, args=(shown,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shown) == 10, "the list was empty"


if __name__ == "__main__":
    main()
