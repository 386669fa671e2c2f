"""Replaces the frozen settings as a whole while other threads use them."""

import threading
from dataclasses import dataclass

CURRENT = None


@dataclass(frozen=True)
class Settings:
    host: str
    port: int


def load():
    global CURRENT
    for _ in range(100):
        CURRENT = Settings(host="localhost", port=8080)


def use(ports):
    for _ in range(500):
        settings = CURRENT
        if settings is not None:
            ports.append(settings.port)
    ports.append("end")


def main():
    ports = []
    threads = [threading.Thread(target=use, args=(ports,)) for _ in range(2)]
    threads.insert(1, threading.Thread(target=load))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ports.count("end") == 2 and set(ports) <= {"end", 8080}


if __name__ == "__main__":
    main()
