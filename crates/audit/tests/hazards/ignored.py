import os
import threading

cache = {}
other = {}


def get(key):
    if key not in cache:
        cache[key] = []  # ungil: ignore[shared-cache]
    if key not in other:
        other[key] = []  # ungil: ignore[lazy-init]  # expect: ungil/shared-cache high
    return cache[key]


def child():
    threading.Thread(target=get).start()
    return os.fork()  # ungil: ignore
