"""Coroutines that wait for a queue.

A coroutine registers a future in the list where waiting threads register themselves, and tries the
operation once more before it awaits the future. A wake-up does not transfer an item: the coroutine
that is woken retries the operation. So a cancelled coroutine loses no item. It only has to pass an
unused wake-up on to the next waiter.
"""

import sys
from queue import Empty, Full


def get_running_loop():
    """Returns the running event loop of asyncio.

    asyncio is not imported here. `import ungil` does not need it, and where a loop runs it is
    already loaded. An import at the first call would take the import lock, which the child of a
    fork may find held.
    """
    events = sys.modules.get("asyncio.events")
    if events is None:
        raise RuntimeError("no running event loop")
    return events.get_running_loop()


def resolve(future):
    """Completes the future of a waiter. The event loop calls this when the queue wakes it."""
    if not future.done():
        future.set_result(None)


async def get(queue):
    """Takes an item out, waiting while the queue is empty."""
    loop = get_running_loop()
    while True:
        try:
            return queue.get_nowait()
        except Empty:
            pass
        future = loop.create_future()
        registration = queue._enlist("items", future)
        unused = True
        try:
            try:
                return queue.get_nowait()
            except Empty:
                pass
            await future
            unused = False
        finally:
            queue._withdraw(registration, unused)


async def put(queue, item):
    """Puts an item in, waiting while the queue is full."""
    loop = get_running_loop()
    while True:
        try:
            return queue.put_nowait(item)
        except Full:
            pass
        future = loop.create_future()
        registration = queue._enlist("space", future)
        unused = True
        try:
            try:
                return queue.put_nowait(item)
            except Full:
                pass
            await future
            unused = False
        finally:
            queue._withdraw(registration, unused)


async def join(queue):
    """Waits until `task_done` was called for every item."""
    loop = get_running_loop()
    while queue.unfinished_tasks:
        future = loop.create_future()
        registration = queue._enlist("joiners", future)
        try:
            if queue.unfinished_tasks:
                await future
        finally:
            queue._withdraw(registration, False)


async def get_due(queue):
    """Takes the earliest item out of a `DelayQueue`, waiting until its delay has passed."""
    loop = get_running_loop()
    while True:
        future = loop.create_future()
        registration = queue._enlist(future)
        unused = True
        try:
            try:
                return queue.get_nowait()
            except Empty:
                due = queue._due_in()
            timer = None if due is None else loop.call_later(due, resolve, future)
            try:
                await future
            finally:
                if timer is not None:
                    timer.cancel()
            unused = False
        finally:
            queue._withdraw(registration, unused)
