"""Serves each waiting client once."""

import threading

CLIENTS = [f"client{number}" for number in range(30)]
WAITING = list(CLIENTS)


def serve(served, ended):
    for name in CLIENTS:
        if name in WAITING:
            WAITING.remove(name)
            served.append(name)
    ended.append(True)


def main():
    served, ended = [], []
    threads = [threading.Thread(target=serve, args=(served, ended)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(served) == sorted(CLIENTS) and len(ended) == 3, (len(served), ended)


if __name__ == "__main__":
    main()
