"""Appends the sizes of chunks to a list and adds them after the threads end."""

import threading


def measure(chunks, workers):
    sizes = []

    def work(part):
        for chunk in part:
            sizes.append(len(chunk))

    threads = [
        threading.Thread(target=work, args=(chunks[start::workers],)) for start in range(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(sizes)


def main():
    total = measure([b"x" * size for size in range(900)], 3)
    assert total == sum(range(900)), total


if __name__ == "__main__":
    main()
