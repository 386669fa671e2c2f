"""Saves documents in tasks that nobody keeps."""

import asyncio

SAVED = []


async def save(number):
    await asyncio.sleep(0)
    SAVED.append(number)


async def handle(number):
    asyncio.create_task(save(number))  # noqa: RUF006
    await asyncio.sleep(0)


async def serve():
    for number in range(5):
        await handle(number)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def main():
    asyncio.run(serve())
    assert sorted(SAVED) == list(range(5)), SAVED


if __name__ == "__main__":
    main()
