"""One producer and one consumer of a ring whose slots two Semaphores count."""

import threading

SIZE = 4
SLOTS = [None] * SIZE
FREE = threading.Semaphore(SIZE)
FULL = threading.Semaphore(0)


def produce(count):
    for number in range(count):
        FREE.acquire()
        SLOTS[number % SIZE] = {"number": number}
        FULL.release()


def consume(count, numbers):
    for number in range(count):
        FULL.acquire()
        item = SLOTS[number % SIZE]
        SLOTS[number % SIZE] = None
        item["number"] += 1
        FREE.release()
        numbers.append(item["number"])


def main():
    numbers = []
    threads = [
        threading.Thread(target=produce, args=(200,)),
        threading.Thread(target=consume, args=(200, numbers)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers == list(range(1, 201))


if __name__ == "__main__":
    main()
