import locale
import os
import signal
import threading
import warnings
from contextlib import redirect_stdout

listeners = {}
lines = (line for line in open("x"))


def numbers():
    yield from range(100)


shared = numbers()


def subscribe(name, listener):
    with threading.Lock():
        listeners[name] = listener


def tell():
    for listener in listeners.values():  # expect: ungil/shared-iteration medium
        listener()


def take():
    return next(shared)  # expect: ungil/shared-iterator high


def read():
    for line in lines:  # expect: ungil/shared-iterator high
        print(line)


class Worker(threading.Thread):
    def run(self):
        signal.signal(signal.SIGTERM, print)  # expect: ungil/process-state high
        os.environ["X"] = "1"  # expect: ungil/process-state medium


def work():
    os.chdir("/")  # expect: ungil/process-state high
    locale.setlocale(locale.LC_ALL, "C")  # expect: ungil/process-state high
    with redirect_stdout(None):  # expect: ungil/process-state high
        pass
    with warnings.catch_warnings():  # expect: ungil/process-state low
        pass


threading.Thread(target=work).start()
