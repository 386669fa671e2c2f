"""Two event loops in two threads that fill one cache under a threading.Lock."""

import asyncio
import threading

CACHE = {}
CACHE_LOCK = threading.Lock()


async def fetch(key):
    await asyncio.sleep(0)
    return key.upper()


async def fill(keys):
    for key in keys:
        with CACHE_LOCK:
            CACHE[key] = await fetch(key)


def run(keys):
    asyncio.run(fill(keys))


def main():
    threads = [threading.Thread(target=run, args=(keys,)) for keys in (["a", "b"], ["c", "d"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert CACHE == {"a": "A", "b": "B", "c": "C", "d": "D"}, CACHE


if __name__ == "__main__":
    main()
