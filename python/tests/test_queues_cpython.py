"""CPython's own tests of `queue`, run against ours, if the interpreter includes them."""

import queue
import types
import unittest

import pytest

import ungil

theirs = pytest.importorskip("test.test_queue", reason="needs the tests of CPython")

OURS = types.SimpleNamespace(
    Queue=ungil.Queue,
    LifoQueue=ungil.LifoQueue,
    PriorityQueue=ungil.PriorityQueue,
    Full=queue.Full,
    Empty=queue.Empty,
    ShutDown=queue.ShutDown,
)
# `maxsize` cannot be changed, and there is no `_put` to override.
NOT_OURS = {"test_shrinking_queue"}


def against_ours(name):
    base = getattr(theirs, f"C{name}Test")

    def setUp(self):
        base.setUp(self)
        self.type2test = getattr(ungil, name)

    members = {test: None for test in NOT_OURS} | {"queue": OURS, "setUp": setUp}
    return type(f"{name}Test", (base,), members)


QueueTest = against_ours("Queue")
LifoQueueTest = against_ours("LifoQueue")
PriorityQueueTest = against_ours("PriorityQueue")
assert issubclass(QueueTest, unittest.TestCase)
