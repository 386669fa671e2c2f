"""Two modules that import each other from two threads: CPython detects the cycle and lets one thread proceed, so
there is no deadlock, but the other waits for its module."""
import importlib._bootstrap as bootstrap
import sys
import types

import look

OTHER = {"left_half": "right_half", "right_half": "left_half"}
THROUGH = []


class Finder:
    @staticmethod
    def find_spec(name, path, target=None):
        return bootstrap.ModuleSpec(name, Loader) if name in OTHER else None


class Loader:
    @staticmethod
    def create_module(spec):
        return types.ModuleType(spec.name)

    @staticmethod
    def exec_module(module):
        look.meet(2)
        __import__(OTHER[module.__name__])
        THROUGH.append(module.__name__)
        look.stay()


def load(name):
    __import__(name)


sys.meta_path.insert(0, Finder)
threads = {name: look.thread(name, load, name) for name in OTHER}
look.until(lambda: THROUGH, "one to be let through")
locks = {name: bootstrap._module_locks[name]() for name in OTHER}
through = threads.pop(THROUGH[0])
for name, waiting in threads.items():
    look.waits(waiting, locks[OTHER[name]], through, kind="import lock")
for number in look._rows:
    look._rows[number]["may"] = [hex(id(lock)) for lock in locks.values()]
look.tell()
