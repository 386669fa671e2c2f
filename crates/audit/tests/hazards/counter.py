import threading

requests = 0


class Field:
    created = 0

    def __init__(self):
        Field.created += 1  # expect: ungil/shared-counter high


class Request:
    made = 0
    by_name = {}

    def __init__(self, name):
        type(self).made += 1  # expect: ungil/shared-counter high
        if name not in self.__class__.by_name:
            self.__class__.by_name[name] = []  # expect: ungil/shared-cache high


def handle():
    global requests
    requests += 1  # expect: ungil/shared-counter high


def handle_long():
    global requests
    requests = requests + 1  # expect: ungil/shared-counter high


def several():
    n = 0

    def work():
        nonlocal n
        n += 1  # expect: ungil/shared-counter high

    threads = [threading.Thread(target=work) for _ in range(4)]
    return threads, n


async def coroutine():
    global requests
    requests += 1  # expect: ungil/shared-counter medium


def main():
    global requests
    requests += 1  # expect: ungil/shared-counter medium
