"""Builds a module's table when it is first needed."""

import threading

TABLE = None


def table():
    global TABLE
    if TABLE is None:
        TABLE = {}
        for number in range(200):
            TABLE[number] = bytes([number])
    return TABLE


def encode(numbers, results):
    results.append(b"".join(table().get(number, b"?") for number in numbers))


def main():
    results = []
    threads = [threading.Thread(target=encode, args=([1, 199], results)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [b"\x01\xc7"] * 3, results


if __name__ == "__main__":
    main()
