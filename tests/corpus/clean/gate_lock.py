"""Opposite lock orders behind a common gate."""

import threading

GATE = threading.Lock()
LEFT = threading.Lock()
RIGHT = threading.Lock()
STEPS = []


def forward():
    for _ in range(100):
        with GATE:
            with LEFT:
                with RIGHT:
                    STEPS.append("forward")


def backward():
    for _ in range(100):
        with GATE:
            with RIGHT:
                with LEFT:
                    STEPS.append("backward")


def main():
    threads = [threading.Thread(target=step) for step in (forward, backward)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert STEPS.count("forward") == STEPS.count("backward") == 100


if __name__ == "__main__":
    main()
