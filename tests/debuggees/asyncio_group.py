"""A TaskGroup in a task of another TaskGroup, and a `gather`: the parents await their children."""
import asyncio

import tasks


async def leaf():
    await asyncio.get_running_loop().create_future()


async def inner(told):
    async with asyncio.TaskGroup() as group:
        told[asyncio.current_task()] = [group.create_task(leaf(), name=f"leaf-{n}") for n in range(3)]


async def gathers(told):
    children = [asyncio.create_task(leaf(), name=f"gathered-{n}") for n in range(2)]
    told[asyncio.current_task()] = children
    await asyncio.gather(*children)


async def main():
    told = {}
    async with asyncio.TaskGroup() as group:
        made = [group.create_task(inner(told), name="inner"), group.create_task(gathers(told), name="gathers")]
        told[asyncio.current_task()] = made
        for _ in range(8):
            await asyncio.sleep(0)
        for children in list(told.values()):
            for child in children:
                told.setdefault(child, [])
        tasks.awaits(told)
        tasks.tell_from_thread()


asyncio.run(main())
