"""Two coroutines that use a connection under a threading.Lock."""

import asyncio
import threading


class Client:
    def __init__(self):
        self.lock = threading.Lock()
        self.replies = []

    async def ask(self, number):
        if not self.lock.acquire(timeout=1):
            return
        try:
            await asyncio.sleep(0)
            self.replies.append(number)
        finally:
            self.lock.release()


async def ask_twice(client):
    await asyncio.gather(client.ask(1), client.ask(2))


def main():
    client = Client()
    asyncio.run(ask_twice(client))
    assert client.replies == [1, 2], client.replies


if __name__ == "__main__":
    main()
