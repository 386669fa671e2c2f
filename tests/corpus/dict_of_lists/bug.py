"""Groups numbers in lists of a shared dictionary."""

import threading

GROUPS = {}


def group(numbers):
    for number in numbers:
        key = "even" if number % 2 == 0 else "odd"
        if key not in GROUPS:
            GROUPS[key] = []
        GROUPS[key].append(number)


def main():
    threads = [threading.Thread(target=group, args=(range(30),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(GROUPS["even"]) + len(GROUPS["odd"]) == 90, GROUPS


if __name__ == "__main__":
    main()
