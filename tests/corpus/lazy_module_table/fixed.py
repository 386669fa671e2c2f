"""Builds a module's table before the threads start; they only read it."""

import threading

TABLE = None


def build_table():
    global TABLE
    TABLE = {}
    for number in range(200):
        TABLE[number] = bytes([number])


def encode(numbers, results):
    results.append(b"".join(TABLE[number] for number in numbers))


def main():
    build_table()
    results = []
    threads = [threading.Thread(target=encode, args=([1, 199], results)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [b"\x01\xc7"] * 3, results


if __name__ == "__main__":
    main()
