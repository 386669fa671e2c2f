"""Mark the part of a program that counts for `ungil compare`.

    from ungil_phase import phase

    with phase():
        work()

Both ends are a handshake with the runner: it reads its counters while the program stands still, so that set-up,
imports and tear-down stay out. When the program is run by anything else, the marks do nothing. Marks may be nested or
overlap between threads: the part that counts is from the first start to the last end. Where no
runner listens, nothing is imported that Python has not loaded by itself, so that the marks cost start-up no more than
they must.
"""

import _thread
import os
import sys
import time

# Imported here and not at the first mark, which may be made in any thread: the child of a fork would inherit the lock of an import that
# another thread had begun.
_getrusage = None
if os.environ.get("UNGIL_PHASE"):
    try:
        from resource import RUSAGE_CHILDREN, RUSAGE_SELF
        from resource import getrusage as _getrusage
    except ImportError:
        pass

_pipes = None
_began = 0
_lock = _thread.allocate_lock()
_depth = 0


def _forked():
    """In the child of a fork: a thread of the parent may have held the lock."""
    global _lock
    _lock = _thread.allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _channel():
    """The runner's two FIFOs, opened at the first mark; False when nobody listens."""
    global _pipes
    if _pipes is None:
        where = os.environ.get("UNGIL_PHASE")
        try:
            _pipes = where and (
                os.open(where + "/up", os.O_WRONLY | os.O_CLOEXEC),
                os.open(where + "/down", os.O_RDONLY | os.O_CLOEXEC),
            )
        except OSError:
            _pipes = False
        _pipes = _pipes or False
    return _pipes


def _counts():
    """This process's context switches, its children's included, the ended children's ru_maxrss in KiB, and the GIL."""
    if _getrusage is None:
        return "- - - -"
    mine, theirs = _getrusage(RUSAGE_SELF), _getrusage(RUSAGE_CHILDREN)
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return f"{mine.ru_nvcsw + theirs.ru_nvcsw} {mine.ru_nivcsw + theirs.ru_nivcsw} {theirs.ru_maxrss} {int(gil)}"


def _tell(line):
    os.write(_pipes[0], line.encode() + b"\n")


def start():
    """The part that counts begins when this returns."""
    global _began, _depth
    with _lock:
        _depth += 1
        if _depth == 1 and _channel():
            _tell(f"start {os.getpid()} {_counts()}")
            os.read(_pipes[1], 3)
            _began = time.monotonic_ns()


def end():
    """The part that counts ended when this was called."""
    global _depth
    ended = time.monotonic_ns()
    with _lock:
        _depth = max(_depth - 1, -1)
        # An end without a start is told too: the runner notes it.
        if _depth <= 0 and _channel():
            _tell(f"end {os.getpid()} {_counts()} {_began} {ended}")
            os.read(_pipes[1], 3)
        _depth = max(_depth, 0)


def metric(name, value):
    """Hand a figure of your own to the record: a name of letters, digits and underscores, and a number."""
    if _channel():
        _tell(f"metric {os.getpid()} {name} {float(value)!r}")


class phase:
    """`with phase():` around the part that counts."""

    def __enter__(self):
        start()
        return self

    def __exit__(self, *exc):
        end()
        return False
