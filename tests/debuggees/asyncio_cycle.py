"""Two tasks that await each other, a deadlock without a blocked thread, and a near miss."""
import asyncio

import tasks


async def wait_for(other):
    await other[0]


async def main():
    one, two = [], []
    left = asyncio.create_task(wait_for(two), name="left")
    right = asyncio.create_task(wait_for(one), name="right")
    one.append(left), two.append(right)
    near = asyncio.create_task(wait_for(one), name="near")
    for _ in range(5):
        await asyncio.sleep(0)
    tasks.awaits({left: [right], right: [left], near: [left], asyncio.current_task(): [near]})
    tasks.cycle(left, right)
    tasks.tell_from_thread()
    await near


asyncio.run(main())
