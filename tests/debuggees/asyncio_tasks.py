"""Tasks that await: a chain, a task with two waiters, a pending Future, sleep, queue and lock."""
import asyncio

import tasks


async def end(future):
    await future


async def middle(task):
    await task


async def sleeper():
    await asyncio.sleep(86400)


async def getter(queue):
    await queue.get()


async def locker(lock):
    async with lock:
        await asyncio.Event().wait()


async def main():
    loop, make = asyncio.get_running_loop(), asyncio.create_task
    last = make(end(loop.create_future()), name="last")
    one, two = make(middle(last), name="one"), make(middle(last), name="two")
    top = make(middle(one), name="top-ä")
    lock = asyncio.Lock()
    alone = [make(sleeper(), name="sleeper"), make(getter(asyncio.Queue()), name="getter"),
             make(locker(lock), name="has-lock"), make(locker(lock), name="wants-lock")]
    for _ in range(5):
        await asyncio.sleep(0)
    tasks.awaits({one: [last], two: [last], top: [one], last: [], asyncio.current_task(): [top]} | {t: [] for t in alone})
    tasks.tell_from_thread()
    await top


asyncio.run(main())
