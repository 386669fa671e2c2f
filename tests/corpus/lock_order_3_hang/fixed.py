"""Three philosophers who take the fork with the lower number first."""

import threading


def dine(seat, forks, all_sit, fed):
    first, second = sorted((seat, (seat + 1) % 3))
    all_sit.wait()
    for _ in range(50):
        with forks[first]:
            with forks[second]:
                fed.append(seat)


def main():
    forks = [threading.Lock() for _ in range(3)]
    all_sit = threading.Barrier(3, timeout=4)
    fed = []
    threads = [threading.Thread(target=dine, args=(seat, forks, all_sit, fed)) for seat in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fed) == sorted([0, 1, 2] * 50)


if __name__ == "__main__":
    main()
