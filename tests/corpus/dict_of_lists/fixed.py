"""Groups numbers in lists that dict.setdefault puts into a shared dictionary."""

import threading

GROUPS = {}


def group(numbers):
    for number in numbers:
        key = "even" if number % 2 == 0 else "odd"
        GROUPS.setdefault(key, []).append(number)


def main():
    threads = [threading.Thread(target=group, args=(range(1000),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(GROUPS["even"]) + len(GROUPS["odd"]) == 3000


if __name__ == "__main__":
    main()
