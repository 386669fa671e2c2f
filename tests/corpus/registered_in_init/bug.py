"""Registers sensors in their constructor; a thread lists the registry."""

import threading

REGISTRY = []


class Sensor:
    def __init__(self, name):
        self.name = name
        REGISTRY.append(self)
        self.unit = "W"


def add_sensors():
    for number in range(40):
        Sensor(f"sensor{number}")


def list_sensors(lists):
    for _ in range(10):
        lists.append([f"{sensor.name} {sensor.unit}" for sensor in REGISTRY.copy()])


def main():
    lists = []
    threads = [
        threading.Thread(target=add_sensors),
        threading.Thread(target=list_sensors, args=(lists,)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lists) == 10, "a sensor had no unit"


if __name__ == "__main__":
    main()
