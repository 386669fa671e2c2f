import os


def child():
    return os.fork()  # expect: ungil/fork-with-threads low
