import functools
import threading
from collections import defaultdict, deque
from contextlib import suppress

lock = threading.Lock()
results = {}
groups = defaultdict(list)
totals = {}
queue = deque()
local = threading.local()
TABLE = {}

for letter in "abc":
    if letter not in TABLE:
        TABLE[letter] = []


def compute(key):
    with lock:
        if key not in results:
            results[key] = []
        return results[key]


def checked_twice(key):
    if key not in results:
        with lock:
            if key not in results:
                results[key] = []
    return results[key]


def in_one(key):
    return results.setdefault(key, [])


def grouped(key, value):
    lock.acquire()
    try:
        groups[key].append(value)
    finally:
        lock.release()


def _count(key):
    totals[key] = totals.get(key, 0) + 1


def count(key):
    with lock:
        _count(key)


def count_locked(key):
    totals[key] += 1


def take():
    try:
        return queue.popleft()
    except IndexError:
        return None


def hidden(results, key):
    if key not in results:
        results[key] = []


def of_its_own(key):
    results = {}
    if key not in results:
        results[key] = []
    return results


def per_thread(key):
    if not hasattr(local, "cache"):
        local.cache = {}
    local.cache[key] = []


def by_thread():
    if threading.get_ident() not in results:
        results[threading.get_ident()] = []
    totals[threading.get_ident()] += 1


def forget_found(key):
    if key in results:
        try:
            del results[key]
        except KeyError:
            pass
    with suppress(LookupError):
        while queue:
            queue.pop()


def forget(key):
    results.pop(key, None)


@functools.cache
def cached(key):
    return [key]


class Instance:
    pool = None

    def __init__(self):
        self.pool = {}

    def open(self, host):
        if host not in self.pool:
            self.pool[host] = []


def _fill():
    if "x" not in TABLE:
        TABLE["x"] = []


_fill()
