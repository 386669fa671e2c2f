"""Loads an extension module that says that it can run without the GIL."""

import _testmultiphase
import importlib.util
import threading


def load(name):
    spec = importlib.util.spec_from_file_location(name, _testmultiphase.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def work(sums):
    sums.append(sum(range(1000)))


def main():
    module = load("_testmultiphase")
    sums = []
    threads = [threading.Thread(target=work, args=(sums,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert module is not None and sums == [499500] * 2, sums


if __name__ == "__main__":
    main()
