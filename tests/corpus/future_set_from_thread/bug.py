"""A thread answers a coroutine that waits for a future."""

import asyncio
import threading


def compute(answer):
    answer.set_result(sum(range(100)))


async def ask():
    answer = asyncio.get_running_loop().create_future()
    thread = threading.Thread(target=compute, args=(answer,))
    thread.start()
    result = await asyncio.wait_for(answer, timeout=0.5)
    thread.join()
    return result


def main():
    assert asyncio.run(ask()) == 4950


if __name__ == "__main__":
    main()
