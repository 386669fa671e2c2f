"""Counts requests in the coroutines that await functions in threads."""

import asyncio


class Server:
    def __init__(self):
        self.requests = 0

    @staticmethod
    def handle(size):
        return len(b"x" * size)

    async def serve(self, size):
        length = await asyncio.to_thread(self.handle, size)
        self.requests += 1
        return length


async def serve_all(server):
    return await asyncio.gather(*(server.serve(size) for size in range(40)))


def main():
    server = Server()
    sizes = asyncio.run(serve_all(server))
    assert sizes == list(range(40)) and server.requests == 40, server.requests


if __name__ == "__main__":
    main()
