"""Registers sensors when they are complete; a thread lists the registry."""

import threading

REGISTRY = []


class Sensor:
    def __init__(self, name):
        self.name = name
        self.unit = "W"

    @classmethod
    def register(cls, name):
        sensor = cls(name)
        REGISTRY.append(sensor)
        return sensor


def add_sensors():
    for number in range(500):
        Sensor.register(f"sensor{number}")


def list_sensors(lists):
    for _ in range(20):
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
    assert len(lists) == 20, "a sensor had no unit"


if __name__ == "__main__":
    main()
