"""Reads the result of a Timer after is_alive says that it has ended."""

import threading
import time


class Alarm:
    def __init__(self):
        self.rings = []
        self.count = 0

    def ring(self, text):
        for number in range(20):
            self.rings.append(f"{text} {number}")
            self.count += 1


def main():
    for _ in range(5):
        alarm = Alarm()
        alarm.count = 1
        timer = threading.Timer(0.001, alarm.ring, args=("ring",))
        timer.start()
        deadline = time.monotonic() + 4
        while timer.is_alive() and time.monotonic() < deadline:
            time.sleep(0.0005)
        assert not timer.is_alive()
        alarm.count += 1
        assert alarm.count == 22 and alarm.rings[-1] == "ring 19", alarm.count


if __name__ == "__main__":
    main()
