"""Gives an object to a thread as an argument and takes it back after the join."""

import threading


class Parcel:
    def __init__(self, number):
        self.number = number
        self.weight = 0
        self.stamps = []


def stamp(parcel, office):
    for _ in range(50):
        parcel.weight += 1
    parcel.stamps.append(office)


def main():
    for number in range(20):
        parcel = Parcel(number)
        parcel.weight = 10
        for office in ("north", "south"):
            parcel.weight += 1
            thread = threading.Thread(target=stamp, args=(parcel, office))
            thread.start()
            thread.join()
            parcel.weight -= 1
        assert parcel.weight == 110, parcel.weight
        assert parcel.stamps == ["north", "south"]


if __name__ == "__main__":
    main()
