"""Helpers for the asyncio programs: a thread reports the tasks while the event loop is in its poll."""

import look

_rows = []
_cycles = []


def address(task):
    return hex(id(task))


def frames(task):
    """Returns function, file and line of the coroutines of a task, innermost first."""
    found, coroutine = [], task.get_coro()
    while getattr(coroutine, "cr_frame", None) is not None:
        own = coroutine.cr_frame
        found.insert(0, [own.f_code.co_qualname, own.f_code.co_filename, coroutine])
        coroutine = coroutine.cr_await
    return found


def awaits(edges):
    """Declares every task and the tasks it awaits."""
    for task, others in edges.items():
        _rows.append((task, others))


def cycle(*tasks):
    """Declares that `tasks` await each other in a cycle."""
    _cycles.append(sorted(map(address, tasks)))


def rows():
    told = []
    for task, others in _rows:
        row = {"id": address(task), "name": task.get_name(), "coroutine": task.get_coro().__qualname__}
        stack = [[name, file, coroutine.cr_frame.f_lineno] for name, file, coroutine in frames(task)]
        told.append(row | {"awaits": sorted(map(address, others)), "frames": stack})
    return told


def tell():
    look.until(lambda: look.calls(look.MAIN, 232) or look.calls(look.MAIN, 281), "the loop in its poll")
    look.tell(tasks=rows(), task_cycles=_cycles)


def tell_from_thread():
    """Starts the reporting thread, which waits until the loop polls."""
    look.state(look.MAIN, "syscall", calls=["epoll_wait", "epoll_pwait"])
    look.thread("teller", tell)
