"""Hands items to an event loop from a thread."""

import asyncio
import threading


async def main():
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue()

    def send():
        for number in range(100):
            loop.call_soon_threadsafe(queue.put_nowait, number)

    thread = threading.Thread(target=send)
    thread.start()
    assert sum([await queue.get() for _ in range(100)]) == 4950
    await asyncio.to_thread(thread.join)


if __name__ == "__main__":
    asyncio.run(main())
