"""Sends numbers in batches from the threads of a pool."""

from concurrent.futures import ThreadPoolExecutor


def send(batch):
    total = 0
    for number in batch:
        total += number
    return total


def send_all(pool, numbers, size):
    batch = []
    futures = []
    for number in numbers:
        batch.append(number)
        if len(batch) == size:
            futures.append(pool.submit(send, batch))
            batch.clear()
    return sum(future.result() for future in futures)


def main():
    with ThreadPoolExecutor(max_workers=2) as pool:
        total = send_all(pool, range(100), 20)
    assert total == sum(range(100)), total


if __name__ == "__main__":
    main()
