"""Counts requests in functions that asyncio runs in threads."""

import asyncio


class Server:
    def __init__(self):
        self.requests = 0

    def handle(self, size):
        body = b"x" * size
        self.requests += 1
        return len(body)

    async def serve(self, size):
        return await asyncio.to_thread(self.handle, size)


async def serve_all(server):
    return await asyncio.gather(*(server.serve(size) for size in range(20)))


def main():
    server = Server()
    sizes = asyncio.run(serve_all(server))
    assert sizes == list(range(20)) and server.requests == 20, server.requests


if __name__ == "__main__":
    main()
