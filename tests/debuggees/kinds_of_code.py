"""Stacks through every kind of code: lambda, comprehension, generator, nested, method, property, decorator, exec, class body."""
import functools

import look


class Shape:
    class Inner:
        def method(self):
            return (lambda: [number for number in self.numbers()])()

        def numbers(self):
            yield from ({x: y for x, y in pairs()} for _ in range(1))

    @property
    def area(self):
        return sum(map(lambda _: self.Inner().method() and 1, [0]))

    @classmethod
    def made(cls):
        return cls().area


def pairs():
    exec("def g():\n    yield f()\nnext(g())", {"f": finish})
    yield 1, 2


def finish():
    class Body:
        here = (look.arrived(), look.stay())


@functools.lru_cache
def cached(key):
    return sorted([2, 1], key=lambda _: Shape.made())


def asynchronous():
    async def inner():
        finish()

    async def outer():
        async with Manager():
            await inner()

    outer().send(None)


class Manager:
    async def __aenter__(self):
        pass

    async def __aexit__(self, *_):
        pass


def deleted():
    class Last:
        def __del__(self):
            finish()

    Last()


look.has_arrived(
    look.thread("cached", cached, 1),
    look.thread("asynchronous", asynchronous),
    look.thread("deleted", deleted),
    look.thread("partial", functools.partial(type("Made", (), {"__init__": lambda _: finish()}))),
)
look.tell()
