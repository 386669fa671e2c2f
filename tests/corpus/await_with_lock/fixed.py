"""Two coroutines that use a connection under an asyncio.Lock."""

import asyncio


class Client:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.replies = []

    async def ask(self, number):
        async with self.lock:
            await asyncio.sleep(0)
            self.replies.append(number)


async def ask_twice(client):
    await asyncio.gather(client.ask(1), client.ask(2))


def main():
    client = Client()
    asyncio.run(ask_twice(client))
    assert client.replies == [1, 2], client.replies


if __name__ == "__main__":
    main()
