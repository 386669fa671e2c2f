"""Replaces the settings while other threads use them."""

import threading

CURRENT = None


class Settings:
    pass


def load():
    global CURRENT
    CURRENT = Settings()
    CURRENT.host = "localhost"
    CURRENT.port = 8080


def use(ports):
    for _ in range(20):
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
    assert ports.count("end") == 2, "a thread met settings without a port"


if __name__ == "__main__":
    main()
