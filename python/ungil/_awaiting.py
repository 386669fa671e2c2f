"""Coroutines that wait at a queue.

A coroutine enlists a future where threads enlist themselves, and looks once more before it awaits it. Being told is not being given:
whoever is told looks for itself. So a coroutine that is cancelled loses nothing; it only has to pass on what it was told.
"""

import sys
from queue import Empty, Full


def get_running_loop():
    """The running event loop of asyncio. Where one runs, asyncio is loaded: it is not imported here, because `import ungil` need
    not load it, and a later import would take the import lock, which the child of a fork may find taken."""
    events = sys.modules.get("asyncio.events")
    if events is None:
        raise RuntimeError("no running event loop")
    return events.get_running_loop()


def resolve(future):
    """Called by the event loop when the queue has told a future."""
    if not future.done():
        future.set_result(None)


async def get(queue):
    loop = get_running_loop()
    while True:
        try:
            return queue.get_nowait()
        except Empty:
            pass
        future = loop.create_future()
        place = queue._enlist("items", future)
        unused = True
        try:
            try:
                return queue.get_nowait()
            except Empty:
                pass
            await future
            unused = False
        finally:
            queue._withdraw(place, unused)


async def put(queue, item):
    loop = get_running_loop()
    while True:
        try:
            return queue.put_nowait(item)
        except Full:
            pass
        future = loop.create_future()
        place = queue._enlist("space", future)
        unused = True
        try:
            try:
                return queue.put_nowait(item)
            except Full:
                pass
            await future
            unused = False
        finally:
            queue._withdraw(place, unused)


async def join(queue):
    loop = get_running_loop()
    while queue.unfinished_tasks:
        future = loop.create_future()
        place = queue._enlist("joiners", future)
        try:
            if queue.unfinished_tasks:
                await future
        finally:
            queue._withdraw(place, False)


async def get_due(queue):
    loop = get_running_loop()
    while True:
        future = loop.create_future()
        place = queue._enlist(future)
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
            queue._withdraw(place, unused)
