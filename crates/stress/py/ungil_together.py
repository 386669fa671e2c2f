"""A plugin of pytest: calls each test function in several threads at once.

`ungil stress --threads N -- pytest ...` loads it. Each copy of a test gets its own function-scoped
fixtures, its own `tmp_path` and its own instance of the test's class; wider fixtures are shared, as the
test's author asked. A test that cannot be copied runs alone, and the summary says why.
"""

import inspect
import os
import threading

import pytest
from _pytest import unittest as pytest_unittest

THREADS = int(os.environ.get("UNGIL_THREADS", "1"))

# Fixtures that change or capture what the whole process has.
PROCESS_WIDE = {
    "capfd",
    "capfdbinary",
    "caplog",
    "capsys",
    "capsysbinary",
    "doctest_namespace",
    "monkeypatch",
    "pytester",
    "recwarn",
    "testdir",
}

alone = {}


class NotCopiedError(Exception):
    """The test runs alone, for this reason."""


class Copy:
    """What one more copy of a test is called with."""

    def __init__(self, item):
        self.item = item
        self.values = {}
        self.generators = []

    def value(self, name, depth=-1):
        """Returns the copy's value of a fixture, made if it is of function scope."""
        item = self.item
        if (name, depth) in self.values:
            return self.values[name, depth]
        if name == "tmp_path":
            factory = item._request.getfixturevalue("tmp_path_factory")
            made = factory.mktemp(item.name[:30].replace("/", "_"))
        else:
            definitions = item._fixtureinfo.name2fixturedefs.get(name)
            if not definitions or definitions[depth].scope != "function":
                made = item.funcargs[name]
            elif definitions[depth].func.__name__ == "get_direct_param_fixture_func":
                made = item.callspec.params[name]  # of pytest.mark.parametrize
            else:
                made = self.make(name, definitions[depth], depth)
        self.values[name, depth] = made
        return made

    def make(self, name, definition, depth):
        function = definition.func
        if "request" in definition.argnames or definition.params:
            raise NotCopiedError(f"its fixture {name} uses request")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise NotCopiedError(f"its fixture {name} is asynchronous")
        arguments = {
            # A fixture that asks for its own name means the one that it overrides.
            each: self.value(each, depth - 1 if each == name else -1)
            for each in definition.argnames
        }
        instance = getattr(function, "__self__", None)
        if instance is not None and self.item.cls is not None:
            function = function.__func__.__get__(self.instance(), self.item.cls)
        if not inspect.isgeneratorfunction(function):
            return function(**arguments)
        generator = function(**arguments)
        self.generators.append(generator)
        return next(generator)

    def instance(self):
        if "self" not in self.values:
            self.values["self"] = self.item.cls()
        return self.values["self"]

    def function(self):
        """Returns the test function with the copy's arguments."""
        item = self.item
        names = item._fixtureinfo.argnames
        arguments = {name: self.value(name) for name in names}
        function = item.obj
        if getattr(function, "__self__", None) is not None and item.cls is not None:
            function = function.__func__.__get__(self.instance(), item.cls)
        return lambda: function(**arguments)

    def close(self):
        for generator in reversed(self.generators):
            next(generator, None)


def why_alone(item):
    """Returns why a test cannot be copied, or None."""
    if inspect.iscoroutinefunction(item.obj):
        return "it is a coroutine function"
    used = PROCESS_WIDE.intersection(item.fixturenames)
    if used:
        return f"it uses {', '.join(sorted(used))}"
    if item.get_closest_marker("ungil_alone"):
        return "it is marked ungil_alone"
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    item = pyfuncitem
    reason = why_alone(item)
    copies = []
    try:
        if reason is None:
            for _ in range(THREADS - 1):
                copies.append(Copy(item))
                copies[-1].function()
    except NotCopiedError as error:
        reason = str(error)
    except BaseException:
        close(copies)
        raise
    if reason is not None:
        alone[item.nodeid] = reason
        close(copies)
        return None
    first = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}
    try:
        call_together([lambda: item.obj(**first), *(copy.function() for copy in copies)])
    finally:
        close(copies)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Runs more copies of a method of unittest.TestCase beside the one that pytest runs."""
    if not isinstance(item, pytest_unittest.TestCaseFunction) or THREADS < 2:
        return (yield)
    if inspect.iscoroutinefunction(item.obj):
        alone[item.nodeid] = "it is a coroutine function"
        return (yield)
    barrier = threading.Barrier(THREADS)
    errors = []

    def call():
        try:
            copy = item.parent.obj(item.name)
            barrier.wait()
            copy.debug()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call) for _ in range(THREADS - 1)]
    for thread in threads:
        thread.start()
    try:
        barrier.wait()
        result = yield
    finally:
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    return result


def close(copies):
    for copy in copies:
        copy.close()


def call_together(functions):
    """Calls all functions at once, each in its own thread; raises the first exception."""
    barrier = threading.Barrier(len(functions))
    errors = []

    def call(function):
        try:
            barrier.wait()
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def pytest_configure(config):
    config.addinivalue_line("markers", "ungil_alone: not called in several threads by ungil stress")
    if config.pluginmanager.hasplugin("xdist") and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("ungil stress looks into one process: run pytest without -n")


def pytest_terminal_summary(terminalreporter):
    if THREADS > 1:
        terminalreporter.write_line(f"ungil: each test in {THREADS} threads; {len(alone)} alone")
        for name, reason in alone.items():
            terminalreporter.write_line(f"ungil: alone: {name}: {reason}")
