"""Serves each waiting client once; a Queue hands the clients out."""

import queue
import threading

CLIENTS = [f"client{number}" for number in range(300)]


def serve(waiting, served, ended):
    while True:
        name = waiting.get()
        if name is None:
            break
        served.append(name)
    ended.append(True)


def main():
    waiting = queue.Queue()
    served, ended = [], []
    threads = [threading.Thread(target=serve, args=(waiting, served, ended)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for name in CLIENTS:
        waiting.put(name)
    for _ in threads:
        waiting.put(None)
    for thread in threads:
        thread.join()
    assert sorted(served) == sorted(CLIENTS) and len(ended) == 3, (len(served), ended)


if __name__ == "__main__":
    main()
