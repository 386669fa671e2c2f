import itertools
import threading

requests = 0
ids = itertools.count()
lock = threading.Lock()


class Field:
    created = itertools.count()

    def __init__(self):
        self.id = next(Field.created)
        self.uses = 0

    def use(self):
        self.uses += 1


def handle():
    global requests
    with lock:
        requests += 1
    return next(ids)


def inner():
    n = 0

    def step():
        nonlocal n
        n += 1

    step()
    requests = 0
    requests += 1
    return n, requests
