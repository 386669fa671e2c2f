"""Three philosophers who take the left fork first."""

import threading


def dine(seat, forks, all_sit, fed):
    left, right = forks[seat], forks[(seat + 1) % 3]
    all_sit.wait()
    with left:
        all_sit.wait()
        if right.acquire(timeout=1):
            fed.append(seat)
            right.release()
        all_sit.wait()


def main():
    forks = [threading.Lock() for _ in range(3)]
    all_sit = threading.Barrier(3, timeout=4)
    fed = []
    threads = [threading.Thread(target=dine, args=(seat, forks, all_sit, fed)) for seat in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fed) == [0, 1, 2], "the philosophers waited for each other"


if __name__ == "__main__":
    main()
