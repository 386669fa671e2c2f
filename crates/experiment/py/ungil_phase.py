"""Mark the phase of a program that `ungil compare` measures.

    from ungil_phase import phase

    with phase():
        work()

Both ends are a handshake with the runner, which reads its counters while the program waits, so that
set-up, imports and tear-down are excluded. Without a runner the marks do nothing. Marks may be
nested or overlap between threads: the phase lasts from the first start to the last end. Without a
runner, only modules are imported that Python has already loaded, so that the marks add as little as
possible to start-up.
"""

import _thread
import os
import sys
import time

# Imported here, not at the first mark, which may be made in any thread: a forked child would inherit
# the import lock of an import in progress in another thread.
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
    """Replace the lock in a forked child: a thread of the parent may have held it."""
    global _lock
    _lock = _thread.allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _channel():
    """Return the runner's two FIFOs, opened at the first mark; False without a runner."""
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
    """Return context switches (with children), ru_maxrss of children in KiB, and the GIL state."""
    if _getrusage is None:
        return "- - - -"
    mine, theirs = _getrusage(RUSAGE_SELF), _getrusage(RUSAGE_CHILDREN)
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return f"{mine.ru_nvcsw + theirs.ru_nvcsw} {mine.ru_nivcsw + theirs.ru_nivcsw} {theirs.ru_maxrss} {int(gil)}"


def _send(line):
    os.write(_pipes[0], line.encode() + b"\n")


def start():
    """Start the phase: it begins when this returns."""
    global _began, _depth
    with _lock:
        _depth += 1
        if _depth == 1 and _channel():
            _send(f"start {os.getpid()} {_counts()}")
            os.read(_pipes[1], 3)
            _began = time.monotonic_ns()


def end():
    """End the phase: it ended when this was called."""
    global _depth
    ended = time.monotonic_ns()
    with _lock:
        _depth = max(_depth - 1, -1)
        # An end without a start is also sent: the runner reports it.
        if _depth <= 0 and _channel():
            _send(f"end {os.getpid()} {_counts()} {_began} {ended}")
            os.read(_pipes[1], 3)
        _depth = max(_depth, 0)


def metric(name, value):
    """Add a figure to the record: a name of letters, digits and underscores, and a number."""
    if _channel():
        _send(f"metric {os.getpid()} {name} {float(value)!r}")


class phase:
    """Context manager: `with phase():` marks a phase."""

    def __enter__(self):
        start()
        return self

    def __exit__(self, *exc):
        end()
        return False
