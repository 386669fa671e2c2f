import threading

requests = 0


class Field:
    created = 0

    def __init__(self):
        Field.created += 1  # expect: ungil/shared-counter high


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
