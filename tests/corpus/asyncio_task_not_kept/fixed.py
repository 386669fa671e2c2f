"""Saves documents in tasks of a TaskGroup."""

import asyncio

SAVED = []


async def save(number):
    await asyncio.sleep(0)
    SAVED.append(number)


async def handle(group, number):
    group.create_task(save(number))
    await asyncio.sleep(0)


async def serve():
    async with asyncio.TaskGroup() as group:
        for number in range(50):
            await handle(group, number)


def main():
    asyncio.run(serve())
    assert sorted(SAVED) == list(range(50)), SAVED


if __name__ == "__main__":
    main()
