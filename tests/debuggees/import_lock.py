"""A module that one thread imports while another waits for it."""
import importlib._bootstrap as bootstrap
import sys
import types

import look

SLOW = "module_that_takes_its_time"


class Finder:
    @staticmethod
    def find_spec(name, path, target=None):
        return bootstrap.ModuleSpec(name, Loader) if name == SLOW else None


class Loader:
    @staticmethod
    def create_module(spec):
        return types.ModuleType(spec.name)

    @staticmethod
    def exec_module(module):
        look.arrived()
        look.stay()


def load():
    __import__(SLOW)


sys.meta_path.insert(0, Finder)
first = look.thread("first", load)
look.has_arrived(first)
second = look.thread("second", load)
lock = bootstrap._module_locks[SLOW]()
look.waits(second, lock, first, kind="import lock")
look.row_of(first)["may"] = [hex(id(lock))]
look.tell()
