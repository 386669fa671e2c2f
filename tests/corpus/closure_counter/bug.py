"""Adds the sizes of chunks in a variable of the enclosing function."""

import threading


def measure(chunks, workers):
    total = 0

    def work(part):
        nonlocal total
        for chunk in part:
            total += len(chunk)

    threads = [
        threading.Thread(target=work, args=(chunks[start::workers],)) for start in range(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return total


def main():
    total = measure([b"x" * size for size in range(90)], 3)
    assert total == sum(range(90)), total


if __name__ == "__main__":
    main()
