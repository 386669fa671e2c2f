"""Shares channels while somebody uses them; the caller keeps a strong reference."""

import threading
import weakref

CACHE = weakref.WeakValueDictionary()
CACHE_LOCK = threading.Lock()


class Channel:
    def __init__(self, name):
        self.name = name


def get_channel(name):
    with CACHE_LOCK:
        channel = CACHE.get(name)
        if channel is None:
            channel = Channel(name)
            CACHE[name] = channel
        return channel


def publish(sent):
    for _ in range(300):
        sent.append(get_channel("events").name)


def main():
    sent = []
    threads = [threading.Thread(target=publish, args=(sent,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent == ["events"] * 900, len(sent)


if __name__ == "__main__":
    main()
