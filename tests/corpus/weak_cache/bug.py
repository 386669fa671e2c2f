"""Shares channels while somebody uses them."""

import threading
import weakref

CACHE = weakref.WeakValueDictionary()


class Channel:
    def __init__(self, name):
        self.name = name


def get_channel(name):
    if name in CACHE:
        return CACHE[name]
    channel = Channel(name)
    CACHE[name] = channel
    return channel


def publish(sent):
    for _ in range(15):
        sent.append(get_channel("events").name)


def main():
    sent = []
    threads = [threading.Thread(target=publish, args=(sent,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent == ["events"] * 45, len(sent)


if __name__ == "__main__":
    main()
