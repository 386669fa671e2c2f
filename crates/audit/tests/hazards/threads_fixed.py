import os
import threading

listeners = {}
constant = {"a": 1}
lock = threading.Lock()


def numbers():
    yield from range(100)


def subscribe(name, listener):
    with lock:
        listeners[name] = listener


def tell():
    for listener in list(listeners.values()):
        listener()
    with lock:
        for listener in listeners.values():
            listener()
    for name in constant:
        print(name)


def take():
    own = numbers()
    return next(own)


def work():
    for number in numbers():
        print(number)


def change():
    os.chdir("/")


threading.Thread(target=work).start()
